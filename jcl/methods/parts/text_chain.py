"""Texts through an encoder and a projector: the base of methods of sentences."""

import abc
import dataclasses
from typing import ClassVar

import flax.linen as nn
from jaxtyping import Array, Float

from jcl.augment.tokens import TEXT, text_of
from jcl.errors import UserError
from jcl.losses import unit_rows
from jcl.methods.base import Embedded, Outcome, Variables
from jcl.methods.parts.chain import Networks, embed_chain, infer_chain, init_chain


@dataclasses.dataclass(frozen=True)
class TextChain(abc.ABC):
    """All views of a text through both networks; a subclass gives the objective.

    Attributes:
        text_encoder: maps texts, {"ids": int32 [N, L], "mask": bool [N, L]}, to features [N, D].
        text_projector: maps features to embeddings [N, d].
    """

    text_encoder: nn.Module
    text_projector: nn.Module

    needs: ClassVar = (TEXT,)
    feature_parts: ClassVar = ("text_encoder",)

    @property
    def networks(self) -> Networks:
        """The networks in the order in which views pass through them, by parameter name."""
        return {"text_encoder": self.text_encoder, "text_projector": self.text_projector}

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; views of the kind "text"."""
        del data
        return init_chain(key, self.networks, _texts(views))

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; the embeddings are the projector's output, [B, V, d]."""
        params, model_state, _ = variables
        outputs, new_state = embed_chain(self.networks, params, model_state, _texts(views), keys)
        return Embedded(outputs["text_projector"], {}, {**model_state, **new_state})

    @abc.abstractmethod
    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`; embeddings [B, V, d], raw."""

    def after_update(self, variables, carry, clock) -> Variables:
        """Changes nothing: there is only the optimizer's update."""
        del carry, clock
        return variables

    def outputs(self, variables, inputs) -> dict[str, Float[Array, "N ..."]]:
        """`features` [N, D] and `projection` [N, d], unit rows, of texts."""
        found = infer_chain(self.networks, *variables[:2], text_of(inputs))
        projection = unit_rows(found["text_projector"])
        return {"features": found["text_encoder"], "projection": projection}


def _texts(views):
    if TEXT not in views:
        raise UserError(
            f"the text encoder takes views of a text, but the recipe of views (views.name) makes "
            f"{', '.join(views)}"
        )
    return {TEXT: views[TEXT]}
