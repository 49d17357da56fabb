"""Divides large classes into clusters of about the size of the smallest class."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from jcl.losses import unit_rows
from jcl.methods.parts.kmeans import cluster_directions


def counts_of_subclasses(label: Int[np.ndarray, " n"], least: int) -> dict[int, int]:
    """The number of clusters of each class: its size over that of the smallest, at least 1.

    Args:
        label: of every example.
        least: the smallest class counts as having at least this size.
    """
    classes, sizes = np.unique(label, return_counts=True)
    smallest = max(int(sizes.min()), least)
    return {int(c): max(int(n) // smallest, 1) for c, n in zip(classes, sizes, strict=True)}


def subclasses(
    embeddings: Float[np.ndarray, "n d"],
    label: Int[np.ndarray, " n"],
    key: PRNGKeyArray,
    *,
    least: int,
) -> Int[np.ndarray, " n"]:
    """The cluster of every example within its class, from 0, by k-means of directions.

    Args:
        embeddings: raw.
        label: of each.
        key: for the choice of initial examples. The result depends only on the arguments.
        least: see `counts_of_subclasses`.
    """
    found = np.zeros(len(label), np.int32)
    for number, count in counts_of_subclasses(label, least).items():
        if count > 1:
            members = np.flatnonzero(label == number)
            order = jax.random.permutation(jax.random.fold_in(key, number), len(members))
            members = members[np.asarray(order)]
            found[members] = _cluster(embeddings[members], count)
    return found


def _cluster(rows: Float[np.ndarray, "m d"], count: int) -> Int[np.ndarray, " m"]:
    """Clusters rows; the first rows are the initial prototypes."""
    # Sizes are rounded up to powers of 2, so that a thousand classes need only a few compilations.
    padded = np.zeros((_power(len(rows)), rows.shape[1]), rows.dtype)
    padded[: len(rows)] = rows
    return np.asarray(_clusters(padded, len(rows), count, most=_power(count)))[: len(rows)]


@functools.partial(jax.jit, static_argnames="most")
def _clusters(rows, examples, count, *, most):
    rows = unit_rows(rows)
    taken, used = jnp.arange(len(rows)) < examples, jnp.arange(most) < count
    return cluster_directions(rows, rows[:most], taken=taken, used=used)[0]


def _power(number: int) -> int:
    return 1 << (number - 1).bit_length()
