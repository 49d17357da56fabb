"""SimCLR with hard negatives only (Wang & Liu 2021)."""

import dataclasses

from jcl.config.checks import check_cosine
from jcl.losses import hard_nt_xent
from jcl.methods.parts.two_view import TwoViewMethod


@dataclasses.dataclass(frozen=True)
class HardSimCLR(TwoViewMethod):
    """NT-Xent with only the negatives above a cosine: see `jcl.losses.hard_nt_xent`.

    Take it to use hard negatives at a high temperature, at which SimCLR gives easy negatives nearly
    the same weight. SimCLR at a low temperature weighs hard negatives more, and the hardest most.

    Reading: one threshold for all anchors; the paper's is a quantile of each anchor's similarities.

    Attributes:
        temperature: cosines are divided by it.
        threshold: the cosine above which negatives count, in [-1, 1]. 0.1 keeps an eighth of
            negatives that are uniform on the sphere in 128 dimensions.

    Source: Wang & Liu 2021, "Understanding the Behaviour of Contrastive Loss"
    (https://arxiv.org/abs/2012.09740), the hard contrastive loss.
    """

    threshold: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        check_cosine("method.threshold", self.threshold)

    def loss(self, z0, z1, mesh):
        """NT-Xent with hard negatives over the global batch."""
        return hard_nt_xent(
            z0, z1, temperature=self.temperature, threshold=self.threshold, mesh=mesh
        )
