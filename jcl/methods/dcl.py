"""DCL and DCLW: SimCLR with the positive taken out of the denominator (Yeh et al. 2022)."""

import dataclasses

from jcl.losses import dcl
from jcl.methods.parts.two_view import TwoViewMethod


@dataclasses.dataclass(frozen=True)
class DCL(TwoViewMethod):
    """See `jcl.losses.dcl`.

    Attributes:
        temperature: 0.1 in the published code.
        weight_sigma: None is DCL; a number (0.5 in the published code) is DCLW.
    """

    temperature: float = 0.1
    weight_sigma: float | None = None

    def loss(self, z0, z1, mesh):
        """DCL, or DCLW where `weight_sigma` is given, over the global batch."""
        return dcl(z0, z1, temperature=self.temperature, weight_sigma=self.weight_sigma, mesh=mesh)
