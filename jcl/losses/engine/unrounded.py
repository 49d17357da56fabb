"""Products of unit vectors of bfloat16 embeddings, without rounding the unit vectors.

A bfloat16 row divided by its norm is not exactly a bfloat16 row. Rounding it to bfloat16 loses two
digits. Keeping it in float32 costs several passes of matrix units that multiply bfloat16. But the
unit row is the original row times one float32 scale, and products of original rows take one pass.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, BFloat16, Float, Float32


class Unrounded(NamedTuple):
    """Unit vectors as products of bfloat16 numbers and one float32 scale for each vector."""

    rows: BFloat16[Array, "*n d"] | Float32[Array, "*n d"]  # bfloat16 numbers, in either dtype
    scale: Float32[Array, "*n"]


def unrounded(x: Float[Array, "*n d"]) -> Unrounded | None:
    """`unit_rows` of bfloat16 rows without rounding; None for other dtypes.

    Each row is divided by a power of two, which is exact, so that no product overflows.
    """
    if x.dtype != jnp.bfloat16:
        return None
    x = x.astype(jnp.float32)
    largest = jnp.max(jnp.abs(x), axis=-1)
    tiny = jnp.finfo(jnp.float32).tiny
    is_zero = largest < tiny
    exponent_bits = jax.lax.bitcast_convert_type(largest, jnp.int32) & 0x7F800000
    power = jax.lax.bitcast_convert_type(exponent_bits, jnp.float32)
    # Compilers divide by multiplying with 1 / power, which must not be subnormal.
    power = jnp.where(is_zero, 1, jnp.minimum(power, 1 / tiny))
    rows = jnp.where(is_zero[..., None], 0, x / power[..., None])
    squared_norm = jnp.sum(jnp.square(rows), axis=-1)
    scale = jnp.where(is_zero, 0, 1 / jnp.sqrt(jnp.where(is_zero, 1, squared_norm)))
    return Unrounded(rows.astype(jnp.bfloat16), scale)


def unrounded_inner_products(
    subscripts: str, left: Unrounded, right: Unrounded
) -> Float32[Array, "..."]:
    """Inner products of unit vectors, in one pass and exact up to the order of sums.

    Args:
        subscripts: of an einsum of `left.rows` and `right.rows`, in whose result the axes of the
            left vectors come before those of the right.
        left: vectors.
        right: vectors.
    """
    return _one_pass(subscripts, left.rows, right.rows) * left.scale[..., None] * right.scale


def unrounded_sum(
    subscripts: str, weights: Float32[Array, "*n m"], vectors: Unrounded
) -> Float32[Array, "..."]:
    """Weighted sums of unit vectors; only the weights are rounded to bfloat16.

    Args:
        subscripts: of an einsum of the weights and `vectors.rows`.
        weights: `[..., m]`.
        vectors: m vectors.
    """
    return _one_pass(subscripts, weights * vectors.scale, vectors.rows)


def _one_pass(subscripts, left, right):
    # bfloat16 numbers may have been widened on the way here. Narrowing them again is exact.
    left, right = (x.astype(jnp.bfloat16) for x in (left, right))
    return jnp.einsum(subscripts, left, right, preferred_element_type=jnp.float32)
