"""GroCo, learning by sorting: positives should rank above negatives.

Inputs: V views of every example, small crops if you have any
Formula: mean_a of the cross-entropy of a soft sort of the cosines with the positives and the
  nearest negatives
Cost: 6 V B^2 d, B V searches for the nearest of B, and B V networks of (neighbours + V)^2 swaps
Neighbours: Uses only the nearest negatives, where `nt_xent` uses all. Keys get no gradient, and
  there is no temperature.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import stop_gradient
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from jcl.losses.engine.door import check_at_least
from jcl.losses.engine.embeddings import unit_rows_alike
from jcl.losses.engine.many_views import check_many_views
from jcl.losses.engine.pairwise import inner_products, map_rows
from jcl.losses.soft_sorting import chances_of_ranks


def groco(
    z: Float[Array, "B V d"],
    *,
    neighbours: int = 10,
    steepness: Real[ArrayLike, ""] = 1.0,
    anchors: Float[Array, "B W d"] | None = None,
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Cross-entropy of a soft sort that should rank an anchor's positives above its negatives.

    Every view is an anchor in turn. Its positives are the V - 1 other views of its example. Its
    negatives are the `neighbours` embeddings of the same view of other examples whose cosine with
    the anchor is largest. A differentiable sorting network takes the cosines and gives `q_r`, the
    probability that element r ends among the lowest `neighbours`::

        l_a = mean over elements r of -log q_r where r is a negative, -log(1 - q_r) where a positive

    The network has as many layers as elements. It starts from the negatives in ascending order,
    followed by the positives in ascending order. A layer compares neighbours and swaps them softly
    (see `jcl.losses.soft_sorting`). Logarithms are at least -100. In float32 a chance below 1e-38
    counts as zero.

    Only anchors get a gradient; the embeddings that an anchor is compared with do not. Positives
    that are far above their negatives, in units of `1 / steepness`, get a small gradient, because
    only the order counts. Take `nt_xent` or `mv_info_nce` if all negatives should count.

    Args:
        z: raw projections `[B, V, d]` of V >= 2 views.
        neighbours: number of negatives of an anchor, at most B - 1.
        steepness: a positive scalar; the steeper the network, the nearer it is to hard sorting.
        anchors: raw projections `[B, W, d]` of further views (small crops), which are anchors too
            and never positives. Their positives are all V views of their example, their negatives
            the nearest of the same further view of other examples.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`; an anchor is an example with all of its views.

    Returns:
        Mean of `l_a` over the BV anchors, or all B(V + W).

    Raises:
        UserError: V is 1, or `neighbours` is not a positive integer below B; else see
            `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import groco
        >>> z = jnp.array([[[1.0, 0.0]] * 2, [[0.0, 1.0]] * 2])
        >>> round(float(groco(z, neighbours=1)), 4)  # -log(1 / 2 + atan(1) / pi)
        0.2877

    References:
        Shvetsova et al., "Learning by Sorting: Self-supervised Learning with Group Ordering
        Constraints", ICCV 2023 (https://arxiv.org/abs/2301.02009); the network is that of Petersen
        et al., "Monotonic Differentiable Sorting Networks", ICLR 2022
        (https://arxiv.org/abs/2203.09630), with its Cauchy distribution.
    """
    scalars = {"neighbours": (neighbours, "positive whole"), "steepness": (steepness, "positive")}
    beside = {} if anchors is None else {"anchors": (anchors, "float [B, W, d]")}
    sizes = check_many_views("groco", z, mesh, **beside, **scalars)
    check_at_least("groco", neighbours + 1, "examples in a batch", sizes["B"])
    z, anchors = unit_rows_alike(z, anchors)
    steepness = jnp.asarray(steepness, z.dtype)
    views = z.shape[1]
    other_views = np.array([[m for m in range(views) if m != v] for v in range(views)])
    losses = _losses(z, z, other_views, neighbours, steepness, mesh, block_size)
    if anchors is not None:
        all_views = np.tile(np.arange(views), (anchors.shape[1], 1))
        of_anchors = _losses(anchors, z, all_views, neighbours, steepness, mesh, block_size)
        losses = jnp.concatenate([losses, of_anchors], axis=1)
    return jnp.mean(losses)


def _losses(anchors, z, positives, neighbours, steepness, mesh, block_size):
    """The losses of all anchors `[B, A]`; `positives` as `_losses_of_example` takes them."""
    return map_rows(
        functools.partial(_losses_of_example, positives=positives, neighbours=neighbours),
        (anchors, z),
        anchors,
        steepness,
        mesh=mesh,
        block_size=block_size,
    )


def _losses_of_example(
    index: Int[Array, ""],
    row: tuple[Float[Array, "A d"], Float[Array, "V d"]],
    columns: Float[Array, "B A d"],
    steepness: Float[Array, ""],
    *,
    positives: Int[np.ndarray, "A m"],
    neighbours: int,
) -> Float[Array, " A"]:
    """The losses of an example's anchors; `positives` are the indices of their positive views."""
    (anchors, views), columns = row, stop_gradient(columns)
    views = stop_gradient(views)

    def anchor_loss(anchor, positives, same_view):
        to_others = jnp.where(
            jnp.arange(len(same_view)) == index, -jnp.inf, inner_products(anchor, same_view)
        )
        nearest = jax.lax.top_k(to_others, neighbours)[0][::-1]
        x = jnp.concatenate([nearest, jnp.sort(inner_products(anchor, views[positives]))])
        low, high = chances_of_ranks(x, steepness, low=neighbours)
        return -jnp.mean(_clamped_log(jnp.concatenate([low[:neighbours], high[neighbours:]])))

    return jax.vmap(anchor_loss, in_axes=(0, 0, 1))(anchors, jnp.asarray(positives), columns)


def _clamped_log(chance: Float[Array, " n"]) -> Float[Array, " n"]:
    """The logarithm, at least -100. The logarithm of zero has zero gradient."""
    is_zero = chance < jnp.finfo(chance.dtype).tiny
    return jnp.maximum(jnp.where(is_zero, -jnp.inf, jnp.log(jnp.where(is_zero, 1, chance))), -100)
