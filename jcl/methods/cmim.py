"""cMIM: an auto-encoder that contrasts the codes of a batch, without augmentation (Livne 2025)."""

import dataclasses
import math
import zlib

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jcl.config.checks import check_count, check_not_negative, check_positive
from jcl.errors import UserError
from jcl.losses import cmim_contrast, unit_rows
from jcl.methods.base import Embedded, Outcome, Variables
from jcl.methods.parts.chain import Chain, embed_chain, infer_chain, input_of, views_of_inputs
from jcl.models.projector import MLP

_LEAST_LOG_DEVIATION = -6.0
_LOG_2PI = math.log(2 * math.pi)


@dataclasses.dataclass(frozen=True)
class CMIM(Chain):
    """An example is reconstructed from its code, and the code is contrasted with the batch's codes.

    Take it with `views.name=none` and `views.count=1`: it needs no second view and no augmentation.
    Methods of two views learn what the views share, and are the better choice if good augmentations
    are known. With several views, each is treated as an example, and compared with the codes of the
    same view of other examples.

    A linear map of the encoder's features gives a mean and the logarithm of a standard deviation,
    at least -6, for every dimension of the code z. z is drawn from this normal distribution, q.
    Unlike in a VAE, training increases log q(z | x), so deviations shrink to their lower bound.

    Formula: mean_i [-log p(x_i | z_i) + contrast_weight log(1 + mean_{j != i} exp((cos(z_i, z_j) -
    1) / temperature)) - 1/2 (log q(z_i | x_i) + log N(z_i; 0, I))], p normal around the decoder's
    values

    Reading: p(x | z), because we did not find which one the authors use for images.

    Outputs are the encoder's `features`; `projection`, the unit means of the codes; and `decoder`,
    the decoder's last hidden layer for these means, which the paper calls informative embeddings.

    Attributes:
        decoder: maps codes to examples.
        temperature: cosines of codes are divided by it; 0.1 in the paper.
        contrast_weight: of the contrast; 1 in the paper, 0 is MIM.
        code_dim: dimension of the code.
        deviation: standard deviation of pixels, or of a vector's values, around the decoder's.
        mean_over_dimensions: whether log q and log N are divided by the dimension of the code.

    Source: Livne 2025, "cMIM: A Contrastive Mutual Information Framework for Unified Generative and
    Discriminative Representation Learning" (https://arxiv.org/abs/2502.19642); equations as in
    code that NVIDIA released for molecules.
    """

    decoder: nn.Module = dataclasses.field(kw_only=True)
    temperature: float = 0.1
    contrast_weight: float = 1.0
    code_dim: int = 512
    deviation: float = 0.1
    mean_over_dimensions: bool = False

    def __post_init__(self):
        super().__post_init__()
        for key in ("temperature", "deviation"):
            check_positive(f"method.{key}", getattr(self, key))
        check_not_negative("method.contrast_weight", self.contrast_weight)
        check_count("method.code_dim", self.code_dim)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The encoder, and the linear map from features to means and deviations of codes."""
        dtype = self.encoder.param_dtype  # in bfloat16, codes would be rounded
        types = {"dtype": dtype, "param_dtype": dtype}
        code = MLP(output_dim=2 * self.code_dim, layers=1, norm="none", **types)
        return {"encoder": self.encoder, "code": code}

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; encoder, code and decoder."""
        chain_key, decoder_key = jax.random.split(key)
        made = super().init(chain_key, views, data)
        examples = _only_kind(views)
        codes = jnp.zeros((1, self.code_dim), examples.dtype)
        found = self.decoder.init(decoder_key, codes, shape=examples.shape[2:], train=True)
        return Variables(
            params={**made.params, "decoder": found["params"]},
            model_state={**made.model_state, "decoder": found.get("batch_stats", {})},
        )

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; the embeddings are drawn codes [B, V, code_dim]."""
        params, model_state, _ = variables
        views = views_of_inputs(views)
        examples = _only_kind(views)
        found, new = embed_chain(self.networks, params, model_state, views, keys)
        mean, log_deviation = _split(found["code"])
        noise = _noise(keys, mean.shape, mean.dtype)
        z = mean + jnp.exp(log_deviation) * noise
        values, new["decoder"] = self._decode(params, model_state, z, examples.shape[2:])
        log_p = _log_normal((examples - values.reshape(examples.shape)) / self.deviation)
        log_p -= math.prod(examples.shape[2:]) * math.log(self.deviation)
        log_q = _log_normal(noise) - log_deviation.sum(-1)
        latent = (log_q + _log_normal(z)) / 2
        if self.mean_over_dimensions:
            latent /= self.code_dim
        losses = {"reconstruction": -log_p.mean(1), "latent": -latent.mean(1)}
        return Embedded(z, losses, {**model_state, **new})

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """The contrast of each view's codes, averaged over views."""
        options = {"temperature": self.temperature, "mesh": mesh}
        views = range(embeddings.shape[1])
        contrast = sum(cmim_contrast(embeddings[:, view], **options) for view in views) / len(views)
        return Outcome(self.contrast_weight * contrast, {"contrast": contrast}, {})

    def outputs(self, variables, inputs) -> dict[str, Float[Array, "N ..."]]:
        """`features`, `projection` and `decoder` without random numbers; `map` if there is one."""
        found = infer_chain(self.networks, *variables[:2], input_of(inputs))
        mean, _ = _split(found["code"])
        networks = {"params": variables.params["decoder"]}
        networks["batch_stats"] = variables.model_state["decoder"]
        shape = input_of(inputs).shape[1:]
        _, hidden = self.decoder.apply(networks, mean, shape=shape, train=False)
        named = {"features": found["encoder"], "projection": unit_rows(mean), "decoder": hidden}
        return {**named, **self.map_of(variables, inputs)}

    def _decode(self, params, model_state, z, shape):
        """Values of all views' codes [B V, ...], and the decoder's new statistics."""
        networks = {"params": params["decoder"], "batch_stats": model_state["decoder"]}
        rows = z.reshape(-1, z.shape[-1])
        (values, _), new = self.decoder.apply(
            networks, rows, shape=shape, train=True, mutable=["batch_stats"]
        )
        return values, new.get("batch_stats", {})


def _only_kind(views) -> Float[Array, "B V ..."]:
    kinds = views_of_inputs(views)
    if len(kinds) > 1:
        raise UserError(
            "the decoder makes views of one size, but the recipe of views (views.name) makes "
            f"{' and '.join(kinds)}"
        )
    return next(iter(kinds.values()))


def _split(code: Float[Array, "*rows twice"]) -> tuple[Float[Array, "*rows d"], ...]:
    mean, log_deviation = jnp.split(code, 2, axis=-1)
    return mean, jnp.maximum(log_deviation, _LEAST_LOG_DEVIATION)


def _noise(keys, shape, dtype) -> Float[Array, "B V d"]:
    """Standard normal, a function of each example's key; zeros without keys."""
    if keys is None:
        return jnp.zeros(shape, dtype)
    purpose = zlib.crc32(b"code noise")
    return jax.vmap(
        lambda key: jax.random.normal(jax.random.fold_in(key, purpose), shape[1:], dtype)
    )(keys)


def _log_normal(x: Float[Array, "B V ..."]) -> Float[Array, "B V"]:
    """The log density of the standard normal distribution, all values of a view together."""
    return -(jnp.square(x) + _LOG_2PI).sum(tuple(range(2, x.ndim))) / 2
