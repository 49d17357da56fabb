"""From raw projections to the unit vectors that losses compare."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def unit_rows(x: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
    """Scale every row to unit Euclidean norm.

    A row of zeros stays zero and gets zero gradient. So does a row whose entries are all
    subnormal. Norms of any other size neither overflow nor underflow.

    Args:
        x: `[..., d]`, any float dtype.

    Returns:
        `[..., d]`, float64 where `x` is float64 and float32 otherwise.

    Example:
        >>> import jax.numpy as jnp
        >>> unit_rows(jnp.array([[3e30, 4e30], [0.0, 0.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    x = jnp.asarray(x)  # NumPy's float64 becomes float32 here, unless x64 is on
    x = x.astype(jnp.float64 if x.dtype == jnp.float64 else jnp.float32)
    # The result does not depend on the scale, so neither does its gradient.
    scale = jax.lax.stop_gradient(jnp.max(jnp.abs(x), axis=-1, keepdims=True))
    # Not `scale > 0`, because NaN must stay NaN and the gradient holds 1 / scale, infinite for
    # subnormals.
    tiny = jnp.finfo(x.dtype).tiny
    is_zero = scale < tiny
    # Compilers divide by multiplying with 1 / scale, which must not be subnormal either.
    scaled = x / jnp.where(is_zero, 1, jnp.minimum(scale, 1 / tiny))
    # The inner `where` keeps the square root's gradient finite, the outer one makes it zero.
    squared_norm = jnp.sum(jnp.square(scaled), axis=-1, keepdims=True)
    norm = jnp.sqrt(jnp.where(is_zero, 1, squared_norm))
    return jnp.where(is_zero, 0, scaled / norm)


def unit_rows_alike(*embeddings: Float[Array, "..."] | None) -> tuple[Array | None, ...]:
    """`unit_rows` of each array, float64 for all where one of them is; None stays None."""
    units = jax.tree.map(unit_rows, embeddings)
    dtype = jnp.result_type(*jax.tree.leaves(units))
    return jax.tree.map(lambda x: x.astype(dtype), units)


def interleave_views(z0: Float[Array, "B d"], z1: Float[Array, "B d"]) -> Float[Array, "2*B d"]:
    """Put the two views of every example side by side: example i has rows 2i and 2i + 1.

    In this order every row stays on its device. It would not if all rows of one view came first.
    """
    return jnp.stack([z0, z1], axis=1).reshape(-1, z0.shape[-1])
