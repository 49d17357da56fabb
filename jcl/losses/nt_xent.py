"""NT-Xent, the loss of SimCLR.

Inputs: two views of every example
Formula: mean_i [-s(z_i, z_p(i)) + log sum_{j != i} exp s(z_i, z_j)]
Cost: 4 M^2 d on one device, 6 M^2 d on a mesh, M = 2B
Neighbours: `dcl` leaves the positive out of the sum. `info_nce` compares no view with itself.
"""

import jax
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


def nt_xent(
    z0: Float[Array, "B d"],
    z1: Float[Array, "B d"],
    *,
    temperature: Real[ArrayLike, ""],
    weights: Float[Array, " B"] | None = None,
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Normalised temperature-scaled cross-entropy over the global batch.

    With `z` the 2B unit-normalised embeddings, `p(i)` the other view of anchor i and `s` the
    inner product divided by the temperature::

        l_i = -s(z_i, z_p(i)) + log sum_{j != i} exp s(z_i, z_j)

    The sum has 2B - 1 terms, the positive among them.

    Args:
        z0: first view of every example, raw projections `[B, d]`.
        z1: second view, in the same order.
        temperature: see `jcl.losses`.
        weights: see `jcl.losses`.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i`, times its weight, over the 2B anchors.

    Raises:
        UserError: see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import nt_xent
        >>> z0 = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> round(float(nt_xent(z0, z0, temperature=1.0)), 4)  # log(1 + 2 / e)
        0.5514

    References:
        Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations",
        ICML 2020, equation 1 and algorithm 1 (https://arxiv.org/abs/2002.05709).
    """
    beside = given(temperature=(temperature, "positive"), weights=(weights, "real [B]"))
    check_views("nt_xent", z0, z1, mesh, **beside)
    losses = losses_of_anchors(z0, z1, temperature=temperature, mesh=mesh, block_size=block_size)
    return mean_over_anchors(losses, weights)


def losses_of_anchors(
    z0: Float[Array, "B d"],
    z1: Float[Array, "B d"],
    *,
    temperature: Real[ArrayLike, ""],
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, " 2*B"]:
    """`l_i` of `nt_xent` for each anchor; the two views of an example are neighbours.

    Use it in methods that weigh examples by their losses. It does not check its arguments, which
    are those of `nt_xent`.
    """
    z, _, temperature = anchors_of_views(z0, z1, temperature)
    exact = unrounded_anchors(z0, z1)
    log_negatives, positive = log_negatives_and_positive(
        z, temperature, exact=exact, mesh=mesh, block_size=block_size
    )
    return jax.nn.softplus(log_negatives - positive)
