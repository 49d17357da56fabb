"""DCL and DCLW: SimCLR with the positive taken out of the denominator (Yeh et al. 2022)."""

import dataclasses

from jcl.config.checks import check_positive
from jcl.losses import dcl
from jcl.methods.parts.two_view import TwoViewMethod


@dataclasses.dataclass(frozen=True)
class DCL(TwoViewMethod):
    """NT-Xent without the positive in the denominator: see `jcl.losses.dcl`.

    Take it instead of SimCLR for small batches, for which the positive in the denominator makes
    gradients small. SogCLR also takes negatives from earlier batches.

    With more than two views (`views.count`) the loss is the mean over pairs of views. MV-DHEL is a
    similar loss that compares all views at once.

    Attributes:
        temperature: cosines are divided by it; 0.1 in the published code.
        weight_sigma: None is DCL; a number (0.5 in the published code) is DCLW.

    Source: Yeh et al. 2022, "Decoupled Contrastive Learning" (https://arxiv.org/abs/2110.06848).
    """

    weight_sigma: float | None = None

    def __post_init__(self):
        super().__post_init__()
        check_positive("method.weight_sigma", self.weight_sigma)

    def loss(self, z0, z1, mesh):
        """DCL, or DCLW where `weight_sigma` is given, over the global batch."""
        return dcl(z0, z1, temperature=self.temperature, weight_sigma=self.weight_sigma, mesh=mesh)
