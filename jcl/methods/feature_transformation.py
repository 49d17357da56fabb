"""Feature transformation: MoCo with harder positives and mixed negatives (Zhu et al. 2021)."""

import dataclasses

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from jcl.config.checks import check_positive
from jcl.losses import transformed_queue_nce
from jcl.losses.beta_mixing import beta_quantiles
from jcl.methods.parts.queued import MomentumQueue


@dataclasses.dataclass(frozen=True)
class FeatureTransformation(MomentumQueue):
    """MoCo v2 on moved embeddings: see `jcl.losses.transformed_queue_nce`.

    A query and its key are extrapolated away from each other, so positives become harder, and each
    negative is interpolated with another one of the queue, so there are more kinds of them. The
    two factors are numbers that are drawn anew in every step, alike for all queries; so is the
    order in which negatives find their partners. The queue stores keys as they were.

    Take it where MoCo v2's positives have become easy; MoCHi makes its negatives harder. With both
    factors None it is MoCo v2.

    Attributes:
        temperature: that products are divided by; MoCo v2's 0.2.
        decay: of the moving average; 0.999 in the paper on ImageNet, 0.99 on ImageNet-100.
        positive_alpha: a of Beta(a, a), to which 1 is added: the factor of the extrapolation. None
            leaves queries and keys where they are.
        negative_alpha: a of Beta(a, a), the factor of the interpolation. None leaves negatives
            where they are.
        move_queries: whether queries are extrapolated where they meet negatives too. They are in
            the released code, whose scores are known, so that is the default; the paper's text
            speaks of the pair of query and key alone.

    Source: Zhu et al. 2021, "Improving Contrastive Learning by Visualizing Feature Transformation"
    (https://arxiv.org/abs/2108.02982); the factors are those of the code released with it.
    """

    positive_alpha: float | None = 2.0
    negative_alpha: float | None = 1.6
    move_queries: bool = True

    def __post_init__(self):
        super().__post_init__()
        check_positive("method.positive_alpha", self.positive_alpha)
        check_positive("method.negative_alpha", self.negative_alpha)

    def loss(self, queries, keys, queue, clock, key, mesh):
        """MoCo's of what is moved; `key` draws the factors and the order of partners."""
        del clock
        positive_key, negative_key, order_key = jax.random.split(key, 3)
        still = jnp.ones((), queue.dtype)
        extrapolation = interpolation = still
        if self.positive_alpha is not None:
            extrapolation = 1 + draw_beta(positive_key, self.positive_alpha, queue.dtype)
        if self.negative_alpha is not None:
            interpolation = draw_beta(negative_key, self.negative_alpha, queue.dtype)
        return transformed_queue_nce(
            queries,
            keys,
            queue=queue,
            partners=jax.random.permutation(order_key, len(queue)),
            extrapolation=extrapolation,
            query_extrapolation=extrapolation if self.move_queries else still,
            interpolation=interpolation,
            temperature=self.temperature,
            mesh=mesh,
        )


def draw_beta(key: PRNGKeyArray, alpha: float, dtype: DTypeLike) -> Float[Array, ""]:
    """One number from Beta(alpha, alpha), by its quantiles, as sampling by rejection is slow."""
    quantiles = jnp.asarray(beta_quantiles(alpha, alpha), dtype)
    return quantiles[jax.random.randint(key, (), 0, len(quantiles))]
