"""SimCLR: two views, one encoder, NT-Xent (Chen et al. 2020)."""

import dataclasses

from jcl.losses import nt_xent
from jcl.methods.parts.two_view import TwoViewMethod


@dataclasses.dataclass(frozen=True)
class SimCLR(TwoViewMethod):
    """NT-Xent of two views: see `jcl.losses.nt_xent`.

    Take it first, for images without labels in batches of 256 and more. DCL and SogCLR are for
    smaller batches, MoCo v2 takes its negatives from a queue, and BYOL has no negatives.

    With more than two views (`views.count`) the loss is the mean over pairs of views. MV-InfoNCE
    and MV-DHEL compare all views at once.

    Attributes:
        temperature: cosines are divided by it; 0.1 is SimCLR's choice for ImageNet, 0.5 for
            CIFAR-10.

    Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual
    Representations" (https://arxiv.org/abs/2002.05709), Eq. 1.
    """

    def loss(self, z0, z1, mesh):
        """NT-Xent over the global batch."""
        return nt_xent(z0, z1, temperature=self.temperature, mesh=mesh)
