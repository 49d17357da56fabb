"""A checksum of arrays on any mesh."""

from typing import Any

import jax
import jax.numpy as jnp

PyTree = Any


def fingerprint(tree: PyTree) -> int:
    """A 32-bit checksum of every bit of a tree of arrays, the same on any mesh.

    It is the sum modulo 2^32 of all words times odd numbers that depend on their position. The sum
    is exact in any order, so arrays need not be gathered, and any single damaged word changes it.
    """
    return int(_fingerprint(tree))


@jax.jit
def _fingerprint(tree: PyTree) -> jax.Array:
    total = jnp.uint32(0)
    for number, leaf in enumerate(jax.tree.leaves(tree)):
        if jnp.issubdtype(leaf.dtype, jnp.bool_):
            leaf = leaf.astype(jnp.uint8)
        width = {1: jnp.uint8, 2: jnp.uint16}.get(leaf.dtype.itemsize, jnp.uint32)
        words = jax.lax.bitcast_convert_type(leaf, width).astype(jnp.uint32)
        place = jnp.full((), number, jnp.uint32)
        for axis in range(words.ndim):
            place = place * jnp.uint32(0x01000193) + jax.lax.broadcasted_iota(
                jnp.uint32, words.shape, axis
            )
        total += (words * (place * jnp.uint32(0x9E3779B2) | jnp.uint32(1))).sum(dtype=jnp.uint32)
    return total
