"""Two towers, one for images and one for their texts: the base of methods of pairs."""

import abc
import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from jcl.augment.tokens import text_of
from jcl.errors import UserError
from jcl.losses import unit_rows
from jcl.methods.base import Embedded, Outcome, Variables
from jcl.methods.parts.chain import Networks, embed_chain, infer_chain, infer_map, init_chain


@dataclasses.dataclass(frozen=True)
class TwoTowers(abc.ABC):
    """An encoder and a projector for each kind; a subclass gives the objective.

    Attributes:
        encoder: maps images [N, H, W, C] to features [N, D].
        projector: maps their features to embeddings [N, d].
        text_encoder: maps texts, {"ids": int32 [N, L], "mask": bool [N, L]}, to features [N, E].
        text_projector: maps their features to embeddings of the same d.
    """

    encoder: nn.Module
    projector: nn.Module
    text_encoder: nn.Module
    text_projector: nn.Module

    needs: ClassVar = ("image", "text")

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; one view of each of the kinds "image" and "text".

        Raises:
            UserError: another number of views, which indexing would not detect.
        """
        del data
        if missing := [kind for kind in self.needs if kind not in views]:
            raise UserError(
                f"the method contrasts views of an image and of a text, but these views have no "
                f"{missing[0]}; views.name='image_and_text' makes both"
            )
        for kind in self.needs:
            if (count := jax.tree.leaves(views[kind])[0].shape[1]) != 1:
                raise UserError(
                    f"the method takes one view of an image and one of its text, but the recipe of "
                    f"views (views.name) makes {count} of {kind!r}"
                )
        image, text = (
            init_chain(of_tower, self._tower(kind), {kind: views[kind]})
            for of_tower, kind in zip(jax.random.split(key), self.needs, strict=True)
        )
        return Variables(image.params | text.params, image.model_state | text.model_state)

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; the embeddings are `image` and `text`, [B, d] each."""
        params, model_state, _ = variables
        embeddings = {}
        for kind in self.needs:
            tower, view = self._tower(kind), {kind: views[kind]}
            found, new_state = embed_chain(tower, params, model_state, view, keys)
            embeddings[kind] = list(found.values())[-1][:, 0]
            model_state = {**model_state, **new_state}
        return Embedded(embeddings, {}, model_state)

    @abc.abstractmethod
    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`; embeddings `image` and `text`, [B, d] each, raw."""

    def after_update(self, variables, carry, clock) -> Variables:
        """Changes nothing: there is only the optimizer's update."""
        del carry, clock
        return variables

    def outputs(self, variables, inputs) -> dict[str, Float[Array, "N ..."]]:
        """`features` and `projection` of images, `text/features` and `text/projection` of texts.

        Projections are unit rows: their products are the cosines that the loss compares. `map` of
        images is there if their encoder has a feature map.
        """
        given = {"image": inputs["image"]} if "image" in inputs else {}
        if "text" in inputs:
            given["text"] = text_of(inputs)
        if not given:
            raise UserError(f"examples have {', '.join(inputs)}, but networks need image or text")
        found = {}
        for kind, x in given.items():
            chain = infer_chain(self._tower(kind), variables.params, variables.model_state, x)
            features, projection = chain.values()
            prefix = "" if kind == "image" else f"{kind}/"
            found |= {f"{prefix}features": features, f"{prefix}projection": unit_rows(projection)}
        if "image" in given:
            found |= infer_map(self.encoder, variables, given["image"])
        return found

    def _tower(self, kind: str) -> Networks:
        """The encoder and the projector of a kind of views, by the names of their parameters."""
        prefix = "" if kind == "image" else f"{kind}_"
        return {prefix + name: getattr(self, prefix + name) for name in ("encoder", "projector")}
