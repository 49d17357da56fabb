"""SepCLR: one code for what targets share with a background set, one for what only they have."""

import dataclasses

import jax
import jax.numpy as jnp
from jax.nn import logmeanexp
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float

from jcl.config.checks import check_not_negative, check_positive
from jcl.errors import UserError
from jcl.losses import map_rows, unit_rows
from jcl.losses.engine.pairwise import squared_distances
from jcl.methods.base import Embedded, Outcome, Variables
from jcl.methods.parts.chain import embed_chain, infer_chain, views_of_inputs
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.known import one_each
from jcl.methods.parts.two_view import TwoViewNetworks, pair_of

_SALIENT = "salient_projector"


@dataclasses.dataclass(frozen=True)
class SepCLR(TwoViewNetworks):
    """Two heads on one encoder: a common code of all examples, and a salient code of targets.

    Examples of the background set lack the content of interest, and their salient code should be
    zero. The loss is the weighted sum of four terms (`separation_terms`). Take it for contrastive
    analysis, for example to find what patients have and healthy people do not. SimCLR on both sets
    mixes the two.

    Examples have `background`: True, or a number other than 0, in the background set. The common
    code is normalised, the salient code is not. The salient head is a second projector of the same
    architecture. In the authors' code each head has an encoder of its own, and probes use that
    encoder's output. Here probes use the one encoder as `features`, and the codes as `projection`
    and `salient`.

    Formula: A(c) + U(c0) + U(c1) + salient_weight (A(s of targets) + U(s0) + U(s1)) +
    background_weight A(s of the background, 0) + joint_weight mean_i log mean_j K(c_i, c_j)
    K(s_i, s_j); A(x) = mean_i |x_i0 - x_i1|^2 / 2t, U(x) = log mean_{i < j} K(x_i, x_j), K(a, b) =
    exp(-|a - b|^2 / 2t), c unit rows, s raw and 0 in the background

    Reading: both heads on one encoder.

    Attributes:
        temperature: squared distances are divided by twice this value; 0.5 in the authors' code.
        salient_weight: weight of the salient codes' alignment and uniformity; 1000 in the code.
        background_weight: weight of the squared norms of the background's salient codes; 1000 in
            the code.
        joint_weight: weight of the term that keeps the codes independent; 10 in the code.

    Source: Louiset et al. 2024, "Separating common from salient patterns with Contrastive
    Representation Learning" (https://arxiv.org/abs/2402.11928), and the authors' code.
    """

    temperature: float = 0.5
    salient_weight: float = 1000.0
    background_weight: float = 1000.0
    joint_weight: float = 10.0

    def __post_init__(self):
        super().__post_init__()
        check_positive("method.temperature", self.temperature)
        for key in ("salient_weight", "background_weight", "joint_weight"):
            check_not_negative(f"method.{key}", getattr(self, key))

    @property
    def needs(self):
        """Whether examples belong to the background set."""
        return ("background",)

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; the networks, and the salient head."""
        networks_key, head_key = jax.random.split(key)
        made = super().init(networks_key, views, data)
        shown = views_of_inputs(views)
        encoder = {"encoder": self.encoder}
        shapes = jax.eval_shape(lambda: embed_chain(encoder, *made[:2], shown, None)[0]["encoder"])
        features = jnp.zeros((1, shapes.shape[-1]), shapes.dtype)
        head = self.projector.init(head_key, features, train=True)
        return Variables(
            {**made.params, _SALIENT: head["params"]},
            {**made.model_state, _SALIENT: head.get("batch_stats", {})},
        )

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; the embeddings are the raw `common` and `salient` codes [B, V, d]."""
        params, model_state, _ = variables
        found, new = embed_chain(self.networks, params, model_state, views_of_inputs(views), keys)
        features, head = {"features": found["encoder"]}, {_SALIENT: self.projector}
        salient, new_head = embed_chain(head, params, model_state, features, keys)
        embeddings = {"common": found["projector"], "salient": salient[_SALIENT]}
        return Embedded(embeddings, {}, {**model_state, **new, **new_head})

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """The weighted sum of the terms, which are metrics too, over the global batch.

        Raises:
            UserError: a batch of one example.
        """
        common, salient = pair_of(embeddings["common"]), pair_of(embeddings["salient"])
        # `separation_terms` inverts the mask, and `~` would invert each bit of a number.
        background = one_each(batch, "background") != 0
        terms = separation_terms(
            common, salient, background, temperature=self.temperature, mesh=mesh
        )
        weights = {
            "common": 1,
            "salient": self.salient_weight,
            "background": self.background_weight,
            "joint": self.joint_weight,
        }
        loss = sum(weights[name] * term for name, term in terms.items())
        return Outcome(loss, {**two_view_diagnostics(*common), **terms}, {})

    def outputs(self, variables, inputs) -> dict[str, Float[Array, "N ..."]]:
        """`features`, `projection` (the common code), and the raw `salient` code [N, d]."""
        found = super().outputs(variables, inputs)
        head = {_SALIENT: self.projector}
        salient = infer_chain(head, variables.params, variables.model_state, found["features"])
        return {**found, "salient": salient[_SALIENT]}


def separation_terms(
    common: tuple[Float[Array, "B d"], Float[Array, "B d"]],
    salient: tuple[Float[Array, "B e"], Float[Array, "B e"]],
    background: Bool[Array, " B"],
    *,
    temperature: float,
    mesh: Mesh | None,
) -> dict[str, Float[Array, ""]]:
    """The four terms of SepCLR, of two views.

    With c the unit rows of the common codes, s the salient ones, zero where `background`, and
    K(a, b) = exp(-|a - b|^2 / 2t)::

        U(x)        log mean_{i < j} K(x_i, x_j)
        J(c, s)     mean_i log mean_j K(c_i, c_j) K(s_i, s_j)

        common      mean_i |c0_i - c1_i|^2 / 2t + U(c0) + U(c1)
        salient     mean_{targets} |s0_i - s1_i|^2 / 2t + U(s0) + U(s1)
        background  mean_{background} (|s0_i|^2 + |s1_i|^2) / 4t, of the codes before zeroing
        joint       (J(c0, s0) + J(c1, s1)) / 2

    Minimising `joint` maximises the joint entropy of the two codes. If a batch has no example of
    one set, the mean over that set is 0.

    Args:
        common: raw codes of two views.
        salient: raw codes of two views, which are not divided by their norms.
        background: mask of the examples of the background set.
        temperature: t.
        mesh: the batch is sharded over its axes; None computes as one device would.

    Raises:
        UserError: B is 1.
    """
    if len(background) < 2:
        raise UserError("batch_size=1 is impossible: method.name='sepclr' needs at least 2")
    scale = 1 / (2 * temperature)
    common = [unit_rows(c) for c in common]
    salient = [s.astype(common[0].dtype) for s in salient]
    is_background = background[:, None]
    shown = [jnp.where(is_background, 0, s) for s in salient]
    hidden = [jnp.where(is_background, s, 0) for s in salient]
    pairs = list(zip(common, shown, strict=True))
    of_rows = [map_rows(_log_means, p, p, scale, mesh=mesh, block_size=None) for p in pairs]
    of_common, of_salient, of_both = (jnp.stack(x) for x in zip(*of_rows, strict=True))
    targets, others = (jnp.maximum(which.sum(), 1) for which in (~background, background))
    alignment = scale * jnp.square(common[0] - common[1]).sum(1).mean()
    salient_alignment = scale * jnp.square(shown[0] - shown[1]).sum() / targets
    return {
        "common": alignment + logmeanexp(of_common, axis=1).sum(),
        "salient": salient_alignment + logmeanexp(of_salient, axis=1).sum(),
        "background": scale * sum(jnp.square(s).sum() for s in hidden) / (2 * others),
        "joint": of_both.mean(),
    }


def _log_means(index, row, columns, scale):
    """Logs of an anchor's mean similarity: to others in each code, and to all in both codes."""
    own = jnp.arange(len(columns[0])) == index
    common, salient = (
        jnp.where(own, 0, -scale * squared_distances(x, xs))
        for x, xs in zip(row, columns, strict=True)
    )
    others = [logmeanexp(x, where=~own) for x in (common, salient)]
    return *others, logmeanexp(common + salient)
