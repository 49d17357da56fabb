"""k-means of directions: rows go to the prototype with the largest product, and that follows them.

The results are functions of the arguments alone. Take `jcl.losses.sinkhorn` where clusters are to
be of one size.
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
    """Lloyd's algorithm, always of as many iterations.

    Args:
        rows: unit rows.
        first: prototypes to begin with, unit rows.
        iterations: how many.
        taken: which rows prototypes follow; None: all.
        used: which prototypes rows may have; None: all.

    Returns:
        Of each row its prototype, int32, and the prototypes, unit rows.
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
    """Of each row the prototype with the largest product, int32, among those that are used."""
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
    """The mean direction of each cluster's rows; a cluster without rows keeps what it had before.

    Args:
        rows: unit rows.
        clusters: of each row.
        before: the prototypes so far.
        taken: which rows count; None: all.
    """
    # A product, because sums that are scattered come in any order on GPUs.
    members = jax.nn.one_hot(clusters, len(before), dtype=rows.dtype, axis=0)
    if taken is not None:
        members = members * taken.astype(rows.dtype)
    means = unit_rows(products(members, rows))
    return jnp.where(members.any(1, keepdims=True), means, before)


def products(rows: Float[Array, "..."], columns: Float[Array, "..."]) -> Float[Array, "..."]:
    """The matrix product at the highest precision that the device has."""
    return jnp.matmul(rows, columns, precision=_HIGHEST)
