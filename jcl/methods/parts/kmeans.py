"""k-means of directions: each row is assigned to the prototype with the largest inner product.

The results depend only on the arguments. Take `jcl.losses.sinkhorn` for clusters of equal size.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jcl.losses import unit_rows

_HIGHEST = jax.lax.Precision.HIGHEST


def cluster_directions(
    rows: Float[Array, "N d"],
    first: Float[Array, "P d"],
    *,
    iterations: int = 20,
    taken: Bool[Array, " N"] | None = None,
    used: Bool[Array, " P"] | None = None,
) -> tuple[Int[Array, " N"], Float[Array, "P d"]]:
    """Lloyd's algorithm with a fixed number of iterations.

    Args:
        rows: unit rows.
        first: initial prototypes, unit rows.
        iterations: number of iterations.
        taken: mask of the rows that prototypes are means of; None takes all.
        used: mask of the prototypes that rows may be assigned to; None takes all.

    Returns:
        The prototype of each row, int32, and the prototypes, unit rows.
    """
    taken = jnp.ones(len(rows), bool) if taken is None else taken

    def again(_, prototypes):
        return mean_directions(rows, nearest(rows, prototypes, used), prototypes, taken)

    prototypes = jax.lax.fori_loop(0, iterations, again, first)
    return nearest(rows, prototypes, used), prototypes


def nearest(
    rows: Float[Array, "N d"],
    prototypes: Float[Array, "P d"],
    used: Bool[Array, " P"] | None = None,
) -> Int[Array, " N"]:
    """The prototype of each row, int32: the one with the largest product among those in use."""
    scores = products(rows, prototypes.T)
    if used is not None:
        scores = jnp.where(used, scores, -jnp.inf)
    return jnp.argmax(scores, axis=1).astype(jnp.int32)


def mean_directions(
    rows: Float[Array, "N d"],
    clusters: Int[Array, " N"],
    before: Float[Array, "P d"],
    taken: Bool[Array, " N"] | None = None,
) -> Float[Array, "P d"]:
    """The mean direction of each cluster's rows; a cluster without rows keeps its prototype.

    Args:
        rows: unit rows.
        clusters: the cluster of each row.
        before: the prototypes so far.
        taken: mask of the rows that count; None takes all.
    """
    # A matrix product, because GPUs add scattered sums in a random order.
    members = jax.nn.one_hot(clusters, len(before), dtype=rows.dtype, axis=0)
    if taken is not None:
        members = members * taken.astype(rows.dtype)
    means = unit_rows(products(members, rows))
    return jnp.where(members.any(1, keepdims=True), means, before)


def products(rows: Float[Array, "..."], columns: Float[Array, "..."]) -> Float[Array, "..."]:
    """The matrix product at the highest precision that the device has."""
    return jnp.matmul(rows, columns, precision=_HIGHEST)
