"""MV-DHEL: alignment of all views, and uniformity within each view (Koromilas et al. 2025)."""

import dataclasses

from jcl.losses import mv_dhel
from jcl.methods.parts.several_views import SeveralViewMethod
from jcl.methods.parts.two_view import CosineContrast


@dataclasses.dataclass(frozen=True)
class MVDHEL(SeveralViewMethod, CosineContrast):
    """Negatives of a view are the same view of other examples: see `jcl.losses.mv_dhel`.

    Take it for more than two views (`views.count`), above all for many: its cost grows with the
    number of views, that of MV-InfoNCE with the square of this number. With two views it resembles
    DCL, whose negatives are of both views. The loss and its gradient grow with the number of views.

    Attributes:
        temperature: cosines are divided by it; 0.5 in the authors' config for CIFAR-10.

    Source: Koromilas et al. 2025, "A Principled Framework for Multi-View Contrastive Learning"
    (https://arxiv.org/abs/2507.06979).
    """

    temperature: float = 0.5

    def loss(self, z, mesh):
        """MV-DHEL over the global batch."""
        return mv_dhel(z, temperature=self.temperature, mesh=mesh)
