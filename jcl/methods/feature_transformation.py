"""Feature transformation: MoCo with harder positives and mixed negatives (Zhu et al. 2021)."""

import dataclasses

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from jcl.config.checks import check_not_negative
from jcl.losses import transformed_queue_nce
from jcl.losses.beta_mixing import beta_quantiles
from jcl.methods.parts.queued import MomentumQueue


@dataclasses.dataclass(frozen=True)
class FeatureTransformation(MomentumQueue):
    """MoCo v2 on moved embeddings: see `jcl.losses.transformed_queue_nce`.

    A query and its key are extrapolated away from each other, so positives become harder. Each
    negative is interpolated with another one of the queue, so negatives become more diverse. The
    two factors, and the pairing of negatives, are drawn in every step and are the same for all
    queries. The queue stores unmoved keys.

    Take it if MoCo v2's positives have become easy; MoCHi makes the negatives harder. With both
    parameters 0 it is MoCo v2.

    Attributes:
        temperature: inner products are divided by it; 0.2 as in MoCo v2.
        decay: of the moving average; 0.999 in the paper on ImageNet, 0.99 on ImageNet-100.
        positive_alpha: the factor of the extrapolation is 1 plus a draw from Beta(a, a) with this
            a. 0 does not move queries and keys.
        negative_alpha: the factor of the interpolation is a draw from Beta(a, a) with this a. 0
            does not move negatives.
        move_queries: whether queries are also extrapolated when they are compared with negatives.
            The default follows the released code, whose scores are known; the paper's text only
            mentions the pair of query and key.

    Source: Zhu et al. 2021, "Improving Contrastive Learning by Visualizing Feature Transformation"
    (https://arxiv.org/abs/2108.02982); the factors are those of the code released with it.
    """

    positive_alpha: float = 2.0
    negative_alpha: float = 1.6
    move_queries: bool = True

    def __post_init__(self):
        super().__post_init__()
        check_not_negative("method.positive_alpha", self.positive_alpha)
        check_not_negative("method.negative_alpha", self.negative_alpha)

    def loss(self, queries, keys, queue, clock, key, mesh):
        """MoCo's loss of the moved rows; `key` draws the factors and the pairing of negatives."""
        del clock
        positive_key, negative_key, order_key = jax.random.split(key, 3)
        still = jnp.ones((), queue.dtype)
        extrapolation = interpolation = still
        if self.positive_alpha > 0:
            extrapolation = 1 + draw_beta(positive_key, self.positive_alpha, queue.dtype)
        if self.negative_alpha > 0:
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
    """One number from Beta(alpha, alpha), by quantiles, because rejection sampling is slow."""
    quantiles = jnp.asarray(beta_quantiles(alpha, alpha), dtype)
    return quantiles[jax.random.randint(key, (), 0, len(quantiles))]
