"""MoCo v3: predictions of one view against momentum keys of the other (Chen et al. 2021)."""

import dataclasses

from jcl.losses import query_key_nce
from jcl.methods.base import Outcome
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.momentum import Momentum
from jcl.methods.parts.predictor import Predicted
from jcl.methods.parts.two_view import CosineContrast, pair_of


@dataclasses.dataclass(frozen=True)
class MoCoV3(Momentum, Predicted, CosineContrast):
    """Contrast with the batch's keys, made by a moving average of the networks.

    Take it for large batches, and for ViTs. SimCLR has no second forward pass and gives keys
    gradients. MoCo v2 has a queue for small batches. BYOL has no negatives.

    The ImageNet recipe for ViTs also freezes the patch embedding (`frozen`). It has a projector of
    three layers and a predictor of two, each with BatchNorm after its last layer.

    Formula: 2 temperature mean_i [-s(p_i0, k_i1) + log sum_j exp s(p_i0, k_j1)] + the reverse, p
    predictions, k the copies' projections

    Attributes:
        temperature: cosines are divided by it; 0.2 for ViTs and 1 for ResNet-50 in the paper.
        decay: of the moving average in the first step; 0.99 in the paper, 0.996 for 1000 epochs of
            a ResNet-50.
        decay_end: the decay at the end of the run; a cosine leads to it.

    Source: Chen, Xie & He 2021, "An Empirical Study of Training Self-Supervised Vision
    Transformers" (https://arxiv.org/abs/2104.02057), Eq. 1 and Alg. 1.
    """

    temperature: float = 0.2
    decay_end: float = 1.0

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """2 t times (cross-entropy of queries of view 0 and keys of view 1, plus the reverse).

        The factor 2 t keeps the size of the gradient when the temperature changes.
        """
        q0, q1 = pair_of(embeddings["online"]["prediction"])
        k0, k1 = pair_of(embeddings["momentum"])
        pairs = (q0, k1), (q1, k0)
        losses = [query_key_nce(*p, temperature=self.temperature, mesh=mesh) for p in pairs]
        metrics = {**two_view_diagnostics(q0, q1), "decay": 1 - self.share(clock)}
        return Outcome(2 * self.temperature * sum(losses), metrics, {})
