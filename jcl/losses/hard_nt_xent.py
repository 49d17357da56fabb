"""NT-Xent with hard negatives only, the hard contrastive loss.

Inputs: two views of every example
Formula: mean_i [-s(z_i, z_p(i)) + log(exp s(z_i, z_p(i)) + sum_{j: cos(z_i, z_j) > threshold} exp
  s(z_i, z_j))]
Cost: 8 M^2 d, M = 2B
Neighbours: Equals `nt_xent` for a threshold below -1, but `nt_xent` is faster.
"""

import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from jcl.losses.engine.cross_entropy import cross_entropy
from jcl.losses.engine.door import check_views
from jcl.losses.engine.paired_batch import anchors_of_views
from jcl.losses.engine.pairwise import inner_products, map_rows


def hard_nt_xent(
    z0: Float[Array, "B d"],
    z1: Float[Array, "B d"],
    *,
    temperature: Real[ArrayLike, ""],
    threshold: Real[ArrayLike, ""],
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """NT-Xent over the global batch with only the negatives whose cosine is above a threshold.

    With `z` the 2B unit-normalised embeddings, `p(i)` the other view of anchor i and `s` the inner
    product divided by the temperature::

        N(i) = {j not in {i, p(i)}: <z_i, z_j> > threshold}
        l_i  = -s(z_i, z_p(i)) + log( exp s(z_i, z_p(i)) + sum_{j in N(i)} exp s(z_i, z_j) )

    The positive is in the sum for any cosine. No gradient flows through the choice of negatives.
    With a threshold below -1 this is `nt_xent`, which is faster. Take this loss to use hard
    negatives at a high temperature, at which `nt_xent` gives easy negatives nearly the same weight.

    Args:
        z0: first view of every example, raw projections `[B, d]`.
        z1: second view, in the same order.
        temperature: see `jcl.losses`.
        threshold: a cosine, not divided by the temperature: a number or an array, which gets no
            gradient.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i` over the 2B anchors. An anchor without negatives counts as 0.

    Raises:
        UserError: see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import hard_nt_xent
        >>> z0 = jnp.array([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]])
        >>> # Two of the three are near each other: their four anchors have two negatives each.
        >>> loss = hard_nt_xent(z0, z0, temperature=1.0, threshold=0.5)
        >>> round(float(loss), 4)  # 2 / 3 log(1 + 2 exp(0.6 - 1))
        0.5669

    References:
        Wang and Liu, "Understanding the Behaviour of Contrastive Loss", CVPR 2021
        (https://arxiv.org/abs/2012.09740), with one threshold for all anchors.
    """
    scalars = {"temperature": (temperature, "positive"), "threshold": (threshold, "finite")}
    check_views("hard_nt_xent", z0, z1, mesh, **scalars)
    z, example, temperature = anchors_of_views(z0, z1, temperature)
    rows = z, example
    replicated = temperature, jnp.asarray(threshold, z.dtype)
    losses = map_rows(_hard_anchor, rows, rows, replicated, mesh=mesh, block_size=block_size)
    return jnp.mean(losses)


def _hard_anchor(
    index: Int[Array, ""],
    row: tuple[Float[Array, " d"], Int[Array, ""]],
    columns: tuple[Float[Array, "M d"], Int[Array, " M"]],
    replicated: tuple[Float[Array, ""], Float[Array, ""]],
) -> Float[Array, ""]:
    (anchor, example), (keys, examples), (temperature, threshold) = row, columns, replicated
    cosines = inner_products(anchor, keys)
    is_own = examples == example
    is_positive = is_own & (jnp.arange(len(keys)) != index)
    positive = jnp.sum(jnp.where(is_positive, cosines, 0)) / temperature
    # Not `cosines > threshold`, because NaN must stay NaN.
    is_negative = ~is_own & ~(cosines <= threshold)
    return cross_entropy(positive, cosines / temperature, where=is_negative)
