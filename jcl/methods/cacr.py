"""CACR: far positives attract more, near negatives repel more (Zheng et al. 2023)."""

import dataclasses

from jcl.config.checks import check_not_negative
from jcl.losses import cacr
from jcl.methods.parts.several_views import SeveralViewMethod


@dataclasses.dataclass(frozen=True)
class CACR(SeveralViewMethod):
    """Weighted distances to positives minus those to negatives: see `jcl.losses.cacr`.

    Take it for about four views (`views.count`); farther views pull more. With two views there is
    one positive and nothing to weigh, and DCL has the same weights among negatives. The weights get
    no gradient, as in the authors' code for ImageNet; in their code for small images they do.

    Attributes:
        t_positive: how much more far positives weigh; 0 gives all the same weight.
        t_negative: how much more near negatives weigh; the paper's is 2 for CIFAR-100 and STL-10,
            and 0.9 for CIFAR-10.
        alpha: weight of the attraction.
        beta: weight of the repulsion.

    Source: Zheng et al. 2023, "Contrastive Attraction and Contrastive Repulsion for Representation
    Learning" (https://arxiv.org/abs/2105.03746).
    """

    t_positive: float = 1.0
    t_negative: float = 2.0
    alpha: float = 1.0
    beta: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        for key in ("t_positive", "t_negative", "alpha", "beta"):
            check_not_negative(f"method.{key}", getattr(self, key))

    def loss(self, z, mesh):
        """CACR over the global batch."""
        return cacr(
            z,
            t_positive=self.t_positive,
            t_negative=self.t_negative,
            alpha=self.alpha,
            beta=self.beta,
            mesh=mesh,
        )
