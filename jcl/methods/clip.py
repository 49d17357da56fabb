"""CLIP: images and their texts, each through a tower of its own (Radford et al. 2021)."""

import dataclasses
import math
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jcl.augment.pairs import text_of
from jcl.errors import UserError
from jcl.losses import info_nce, unit_rows
from jcl.methods.base import Embedded, Outcome, Variables
from jcl.methods.parts.chain import Networks, embed_chain, infer_chain, init_chain
from jcl.methods.parts.diagnostics import two_tower_diagnostics

# Of the scale that multiplies cosines, 1 / temperature.
_LARGEST_SCALE = 100.0


@dataclasses.dataclass(frozen=True)
class CLIP:
    """The symmetric loss of two towers (`jcl.losses.info_nce`) with a learned temperature.

    The parameter `log_scale` is log(1 / temperature). It has no weight decay, and after every
    update it is clipped to [0, log 100], before weights are averaged.

    Take this where examples are pairs of an image and a text; methods of two views contrast two
    pictures of one image.

    Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language
    Supervision", figure 3 and section 2.5.

    Attributes:
        encoder: maps images [N, H, W, C] to features [N, D].
        projector: maps their features to embeddings [N, d].
        text_encoder: maps texts, {"ids": int32 [N, L], "mask": bool [N, L]}, to features [N, E].
        text_projector: maps their features to embeddings of the same d.
        temperature: that cosines are divided by at first, from 0.01 to 1; it is learned.

    Raises:
        UserError: a temperature that is not within the limits, or views of an image alone.
    """

    encoder: nn.Module
    projector: nn.Module
    text_encoder: nn.Module
    text_projector: nn.Module
    temperature: float = 0.07

    needs: ClassVar = ("image", "text")

    def __post_init__(self):
        if not 1 / _LARGEST_SCALE <= self.temperature <= 1:
            raise UserError(
                f"method.temperature={self.temperature} is impossible: it is learned within "
                f"{1 / _LARGEST_SCALE} and 1, and starts there"
            )

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; views of the kinds "image" and "text"."""
        del data
        if missing := [kind for kind in self.needs if kind not in views]:
            raise UserError(
                f"method.name='clip' contrasts views of an image and of a text, and these views "
                f"have no {missing[0]}; views.name='image_and_text' makes both"
            )
        image, text = (
            init_chain(of_tower, self._tower(kind), {kind: views[kind]})
            for of_tower, kind in zip(jax.random.split(key), self.needs, strict=True)
        )
        dtype = jnp.promote_types(views["image"].dtype, jnp.float32)  # as the loss
        scale = {"log_scale": jnp.asarray(-math.log(self.temperature), dtype)}
        params = image.params | text.params | scale
        return Variables(params, image.model_state | text.model_state)

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; the embeddings are `image` and `text`, [B, d] each, of view 0."""
        params, model_state, _ = variables
        embeddings = {}
        for kind in self.needs:
            tower, view = self._tower(kind), {kind: views[kind]}
            found, new_state = embed_chain(tower, params, model_state, view, keys)
            embeddings[kind] = list(found.values())[-1][:, 0]
            model_state = {**model_state, **new_state}
        return Embedded(embeddings, {}, model_state)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`; the metric `temperature` is that of this loss."""
        temperature = jnp.exp(-variables.params["log_scale"])
        image, text = (embeddings[kind] for kind in self.needs)
        loss = info_nce(image, text, temperature=temperature, mesh=mesh)
        metrics = {**two_tower_diagnostics(image, text), "temperature": temperature}
        return Outcome(loss, metrics, {})

    def after_update(self, variables, carry, clock) -> Variables:
        """Clips the scale."""
        scale = jnp.clip(variables.params["log_scale"], 0, math.log(_LARGEST_SCALE))
        return variables._replace(params={**variables.params, "log_scale": scale})

    def outputs(self, variables, inputs) -> dict[str, Float[Array, "N ..."]]:
        """`features` and `projection` of images, `text/features` and `text/projection` of texts.

        Projections are unit rows: their products are the cosines that the loss compares.
        """
        given = {"image": inputs["image"]} if "image" in inputs else {}
        if "text" in inputs:
            given["text"] = text_of(inputs)
        if not given:
            raise UserError(f"examples have {', '.join(inputs)}, and networks want image or text")
        found = {}
        for kind, x in given.items():
            chain = infer_chain(self._tower(kind), variables.params, variables.model_state, x)
            features, projection = chain.values()
            prefix = "" if kind == "image" else f"{kind}/"
            found |= {f"{prefix}features": features, f"{prefix}projection": unit_rows(projection)}
        return found

    def _tower(self, kind: str) -> Networks:
        """The encoder and the projector of a kind of views, by the names of their parameters."""
        prefix = "" if kind == "image" else f"{kind}_"
        return {prefix + name: getattr(self, prefix + name) for name in ("encoder", "projector")}
