"""MV-InfoNCE: all pairs of views of an example in one logarithm (Koromilas et al. 2025)."""

import dataclasses

from jcl.losses import mv_info_nce
from jcl.methods.parts.several_views import SeveralViewMethod
from jcl.methods.parts.two_view import CosineContrast


@dataclasses.dataclass(frozen=True)
class MVInfoNCE(SeveralViewMethod, CosineContrast):
    """All views of an example against those of all other examples: see `jcl.losses.mv_info_nce`.

    Take it for more than two views (`views.count`). SimCLR takes the mean of its loss over all
    pairs of views. MV-DHEL costs V times less, and positives are not in its denominator.

    Attributes:
        temperature: cosines are divided by it; 0.5 in the authors' config for CIFAR-10.

    Source: Koromilas et al. 2025, "A Principled Framework for Multi-View Contrastive Learning"
    (https://arxiv.org/abs/2507.06979).
    """

    temperature: float = 0.5

    def loss(self, z, mesh):
        """MV-InfoNCE over the global batch."""
        return mv_info_nce(z, temperature=self.temperature, mesh=mesh)
