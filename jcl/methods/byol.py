"""BYOL: predict a momentum network's projection of the other view, without negatives (2020)."""

import dataclasses

from jcl.methods.base import Outcome
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.momentum import Momentum
from jcl.methods.parts.predictor import Predicted
from jcl.methods.parts.swapped import swapped_cosine
from jcl.methods.parts.two_view import pair_of


@dataclasses.dataclass(frozen=True)
class BYOL(Momentum, Predicted):
    """Prediction of the other view's projection by a moving average of the networks.

    Take it if negatives do harm because many examples are of the same kind, or if batches are too
    small for negatives. MoCo v3 has the same networks and contrasts with the batch. SimSiam has no
    moving average. DirectPred computes the predictor.

    The loss does not exclude a collapse. In a collapse `embedding_spread` of the projections falls
    to 0, and the loss falls too.

    Formula: 4 - 2 mean_i [cos(p_i0, z'_i1) + cos(p_i1, z'_i0)], p predictions, z' the copies'
    projections

    Attributes:
        decay: of the moving average in the first step; 0.996 in the paper for 1000 epochs, 0.99 in
            the released code for 100 and 300.
        decay_end: the decay at the end of the run; a cosine leads to it.

    Source: Grill et al. 2020, "Bootstrap Your Own Latent" (https://arxiv.org/abs/2006.07733),
    Eq. 2, symmetrised as section 3.1 says.
    """

    decay: float = 0.996
    decay_end: float = 1.0

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """(2 - 2 cos(prediction of view 0, momentum projection of view 1)) + the reverse."""
        online = embeddings["online"]
        agreement = swapped_cosine(online["prediction"], embeddings["momentum"])
        diagnostics = two_view_diagnostics(*pair_of(online["projection"]))
        metrics = {**diagnostics, "decay": 1 - self.share(clock)}
        return Outcome(4 - 4 * agreement, metrics, {})
