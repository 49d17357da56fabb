"""The base of methods that predict one view's projection from the other's."""

import dataclasses
from collections.abc import Mapping

import flax.linen as nn

from jcl.errors import UserError
from jcl.methods.base import Embedded
from jcl.methods.parts.chain import embed_chain, views_of_inputs
from jcl.methods.parts.two_view import TwoViewNetworks


@dataclasses.dataclass(frozen=True)
class Predicted(TwoViewNetworks):
    """Encoder, projector and predictor; probes use the outputs of the first two.

    Attributes:
        predictor: maps projections [N, d] to predictions [N, d] of the other view's projections.
    """

    predictor: nn.Module = dataclasses.field(kw_only=True)  # after options of other classes

    def __post_init__(self):
        super().__post_init__()
        given = [getattr(n, "output_dim", None) for n in (self.projector, self.predictor)]
        if None not in given and given[0] != given[1]:
            raise UserError(
                f"predictor.output_dim={given[1]} is impossible: predictions are compared with "
                f"projections, so it must equal projector.output_dim={given[0]}"
            )

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Encoder, projector and predictor."""
        return {**super().networks, "predictor": self.predictor}

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; the embeddings are `projection` and `prediction`, each [B, V, d]."""
        params, model_state, _ = variables
        views = views_of_inputs(views)
        outputs, new_state = embed_chain(self.networks, params, model_state, views, keys)
        embeddings = {"projection": outputs["projector"], "prediction": outputs["predictor"]}
        return Embedded(embeddings, {}, {**model_state, **new_state})
