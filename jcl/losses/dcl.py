"""DCL and DCLW, decoupled contrastive learning.

Inputs: two views of every example
Formula: mean_i [-w_i s(z_i, z_p(i)) + log sum_{j not in {i, p(i)}} exp s(z_i, z_j)]
Cost: 4 M^2 d on one device, 6 M^2 d on a mesh, M = 2B
Neighbours: Equals `nt_xent`, but the positive is not in the sum. DCLW, where `weight_sigma` is
  given, weighs far positives more.
"""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from jcl.losses.engine.door import check_views, given
from jcl.losses.engine.paired_batch import (
    anchors_of_views,
    mean_over_anchors,
    unrounded_anchors,
)
from jcl.losses.engine.symmetric import log_negatives_and_positive


def dcl(
    z0: Float[Array, "B d"],
    z1: Float[Array, "B d"],
    *,
    temperature: Real[ArrayLike, ""],
    weight_sigma: Real[ArrayLike, ""] | None = None,
    weights: Float[Array, " B"] | None = None,
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Decoupled contrastive loss over the global batch: NT-Xent without the positive in the sum.

    With `z` the 2B unit-normalised embeddings, `p(i)` the other view of anchor i and `s` the
    inner product divided by the temperature::

        l_i = -w_i s(z_i, z_p(i)) + log sum_{j not in {i, p(i)}} exp s(z_i, z_j)

    The sum has 2B - 2 terms. DCL has `w_i = 1`. DCLW, for which `weight_sigma` is given, gives
    more weight to positive pairs that are far apart. The weights are under stop-gradient, and their
    mean is taken over the global batch::

        w_i = 2 - exp(<z_i, z_p(i)> / weight_sigma) / mean_k exp(<z_k, z_p(k)> / weight_sigma)

    The loss is often negative.

    Args:
        z0: first view of every example, raw projections `[B, d]`; B >= 2.
        z1: second view, in the same order.
        temperature: see `jcl.losses`.
        weight_sigma: positive scalar, 0.5 in common implementations; None for DCL.
        weights: see `jcl.losses`. They multiply `w_i` too.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i`, times its weight, over the 2B anchors.

    Raises:
        UserError: B is 1, so there are no negatives; else see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import dcl
        >>> z0 = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> round(float(dcl(z0, z0, temperature=1.0)), 4)  # log(2) - 1
        -0.3069

    References:
        Yeh et al., "Decoupled Contrastive Learning", ECCV 2022
        (https://arxiv.org/abs/2110.06848). Implementations differ on whether gradients flow
        through the weights; here none do.
    """
    beside = given(
        temperature=(temperature, "positive"),
        weight_sigma=(weight_sigma, "positive"),
        weights=(weights, "real [B]"),
    )
    check_views("dcl", z0, z1, mesh, at_least=2, **beside)
    z, _, temperature = anchors_of_views(z0, z1, temperature)
    exact = unrounded_anchors(z0, z1)
    log_negatives, positive = log_negatives_and_positive(
        z, temperature, exact=exact, mesh=mesh, block_size=block_size
    )
    if weight_sigma is not None:
        sigma = jnp.asarray(weight_sigma, z.dtype)
        positive = _hard_positive_weight(positive * temperature, sigma) * positive
    return mean_over_anchors(log_negatives - positive, weights)


def _hard_positive_weight(
    similarity: Float[Array, " anchors"], sigma: Float[Array, ""]
) -> Float[Array, " anchors"]:
    scaled = jax.lax.stop_gradient(similarity / sigma)
    exponential = jnp.exp(scaled - jnp.max(scaled))
    excess = exponential / jnp.mean(exponential) - 1
    # The mean weight is 1 by definition. An error of one unit in the last place that all weights
    # share would be multiplied by 1 / temperature in the loss.
    return 1 - (excess - jnp.mean(excess))
