"""MoCo v2: a query, its momentum key, and a queue of older keys (He et al., Chen et al. 2020)."""

import dataclasses

from jcl.losses import query_queue_nce
from jcl.methods.parts.queued import MomentumQueue


@dataclasses.dataclass(frozen=True)
class MoCoV2(MomentumQueue):
    """Contrast with a queue of keys from earlier steps, made by a moving average of the networks.

    Take it for small batches: the number of negatives is that of the queue and does not depend on
    the batch. SimCLR and MoCo v3 take negatives from the batch, which must then be large. MoCHi
    mixes harder negatives from the queue. Feature transformation moves positives apart. View 0 is
    the query and view 1 the key, in one direction only, as published.

    The paper's projector has no norm (`projector.norm="none"`). With BatchNorm, a query could
    recognise its own key by the statistics of the batch, because no key of the queue is from the
    same batch.

    Attributes:
        temperature: cosines are divided by it; 0.2 for MoCo v2, 0.07 for MoCo v1.
        decay: of the moving average; 0.999 in the paper, for a million steps. A run of a few
            thousand steps needs a smaller value.

    Source: He et al. 2020, "Momentum Contrast for Unsupervised Visual Representation Learning",
    Eq. 1 and 2 and Alg. 1 (https://arxiv.org/abs/1911.05722); Chen et al. 2020, "Improved
    Baselines with Momentum Contrastive Learning" (https://arxiv.org/abs/2003.04297).
    """

    def loss(self, queries, keys, queue, clock, key, mesh):
        """Cross-entropy of each query's own key against the queue."""
        del clock, key
        return query_queue_nce(queries, keys, queue=queue, temperature=self.temperature, mesh=mesh)
