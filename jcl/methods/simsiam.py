"""SimSiam: predict the other view's projection without a momentum network (Chen & He 2021)."""

import dataclasses
from typing import Any, ClassVar

from jcl.methods.base import Outcome
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.predictor import Predicted
from jcl.methods.parts.swapped import swapped_cosine
from jcl.methods.parts.two_view import pair_of


@dataclasses.dataclass(frozen=True)
class SimSiam(Predicted):
    """Prediction of the other view's projection, without negatives and without momentum networks.

    Take it for small batches if BYOL's momentum networks, with their second forward pass and second
    set of parameters, cost too much. A step is the cheapest of all methods of two views.

    The predictor's learning rate is constant, as in the last row of the paper's Table 1. With
    `optimizer.groups=(('predictor', {}),)` it follows the schedule. The paper's projector has three
    layers, and BatchNorm without scale and bias after the last (`layers=3, output_norm=True`;
    `frozen=('projector/batch_norm2',)` keeps the scale at 1). The paper's predictor has a
    bottleneck: its `hidden_dim` is a quarter of its `output_dim`.

    The loss does not exclude a collapse. In a collapse `embedding_spread` of the projections falls
    to 0 and the loss to -1.

    Formula: -1/2 mean_i [cos(p_i0, z_i1) + cos(p_i1, z_i0)], without gradient for z

    Source: Chen & He 2021, "Exploring Simple Siamese Representation Learning"
    (https://arxiv.org/abs/2011.10566), Eq. 1 and 4.
    """

    groups: ClassVar[tuple[Any, ...]] = (("predictor", {"constant_rate": True}),)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """-1/2 (cos(prediction of view 0, projection of view 1 without gradient) + the reverse)."""
        projections = embeddings["projection"]
        agreement = swapped_cosine(embeddings["prediction"], projections)
        return Outcome(-agreement, two_view_diagnostics(*pair_of(projections)), {})
