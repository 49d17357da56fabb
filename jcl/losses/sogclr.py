"""SogCLR: negatives from the whole dataset, by a running estimate for each example.

Inputs: two views of every example, a running estimate of its sum of negatives
Formula: mean_i [-cos(z_i, z_p(i)) + temperature log u_i], u_i the moving average of mean_{j not
  in {i, p(i)}} exp s(z_i, z_j)
Cost: 4 M^2 d on one device, 6 M^2 d on a mesh, M = 2B
Neighbours: Has the gradient of `dcl` times the temperature, but the sum is over the whole dataset.
  An alternative to larger batches.
"""

import math

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from jcl.errors import UserError
from jcl.losses.engine.door import check_views
from jcl.losses.engine.moving_average import log_average, log_with_gradient_of
from jcl.losses.engine.paired_batch import (
    anchors_of_views,
    unrounded_anchors,
)
from jcl.losses.engine.symmetric import log_negatives_and_positive


def sogclr(
    z0: Float[Array, "B d"],
    z1: Float[Array, "B d"],
    log_estimates: Float[Array, " B"],
    *,
    temperature: Real[ArrayLike, ""],
    gamma: float,
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> tuple[Float[Array, ""], Float[Array, " B"]]:
    """Global contrastive loss; estimates from earlier batches correct its gradient.

    The objective is the temperature times DCL's, with the mean over the whole dataset instead of
    the sum over the batch. With `z` the 2B unit-normalised embeddings, `p(i)` the other view of
    anchor i, `e(i)` its example and `sim` the inner product, a batch estimates the objective by::

        g_i = mean_{j not in {i, p(i)}} exp(sim(z_i, z_j) / temperature)
        u_i = (1 - gamma) u[e(i)] + gamma g_i,  or g_i where e(i) was never seen
        l_i = -sim(z_i, z_p(i)) + temperature log u_i
        u[e] <- mean of u_i over the two views of e

    The value is the mean of `l_i`. In the gradient, `log u_i` counts as `g_i / u_i` with a constant
    `u_i`. The gradient is half that of the published surrogate, because the surrogate sums over the
    two views of an example; the surrogate's own value means nothing. Where `u_i = g_i` (gamma = 1,
    first visits), the gradient is `temperature` times that of DCL.

    All sums are kept as logarithms, so no temperature overflows.

    Args:
        z0: first view of every example, raw projections `[B, d]`; B >= 2.
        z1: second view, in the same order.
        log_estimates: log u `[B]` of these examples, any float dtype; -inf for an example that was
            never seen. They get no gradient.
        temperature: see `jcl.losses`; its gradient takes `log u_i` as above.
        gamma: weight of the batch in the new estimates, 0 < gamma <= 1; 1 forgets earlier batches.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i` over the 2B anchors, and the new log u `[B]`, without gradient.

    Raises:
        UserError: gamma is out of range, or B is 1, so there are no negatives; else see
            `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import sogclr
        >>> z0 = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> seen = jnp.log(jnp.array([3.0, 5.0]))
        >>> loss, log_estimates = sogclr(z0, z0, seen, temperature=1.0, gamma=0.5)
        >>> round(float(loss), 4)  # (log 2 + log 3) / 2 - 1
        -0.1041
        >>> jnp.exp(log_estimates).round(4).tolist()
        [2.0, 3.0]

    References:
        Yuan et al., "Provable Stochastic Optimization for Global Contrastive Learning: Small Batch
        Does Not Harm Performance", ICML 2022 (https://arxiv.org/abs/2202.12387). The authors' code
        takes `u_i = g_i` only if no example of the batch was seen before; here this is decided for
        each example.
    """
    beside = {"log_estimates": (log_estimates, "float [B]")}
    scalars = {"temperature": (temperature, "positive")}
    check_views("sogclr", z0, z1, mesh, at_least=2, **beside, **scalars)
    if not 0 < gamma <= 1:
        raise UserError(f"gamma={gamma} is impossible: it is more than 0 and at most 1.")
    z, _, temperature = anchors_of_views(z0, z1, temperature)
    exact = unrounded_anchors(z0, z1)
    log_sum, positive = log_negatives_and_positive(
        z, temperature, exact=exact, mesh=mesh, block_size=block_size
    )
    log_g, positive = ((log_sum - math.log(len(z) - 2)).reshape(-1, 2), positive.reshape(-1, 2))
    log_u = log_average(log_estimates.astype(z.dtype)[:, None], log_g, gamma)
    loss = temperature * jnp.mean(log_with_gradient_of(log_u, log_g) - positive)
    return loss, jax.nn.logsumexp(log_u, axis=1) - math.log(2)
