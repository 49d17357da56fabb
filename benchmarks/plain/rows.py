"""What the plain losses have in common."""

import jax
import jax.numpy as jnp


def unit(z: jax.Array) -> jax.Array:
    return z / jnp.linalg.norm(z, axis=-1, keepdims=True)


def products(subscripts: str, left: jax.Array, right: jax.Array) -> jax.Array:
    """An einsum in full float32 on every device, as ours is."""
    return jnp.einsum(subscripts, left, right, precision="highest")


def cosines(rows: jax.Array, columns: jax.Array) -> jax.Array:
    """Of every row `[R, d]` with every column `[C, d]`."""
    return products("id,jd->ij", unit(rows), unit(columns))


def cross_entropy(logits: jax.Array) -> jax.Array:
    """Mean over the rows, whose positives stand on the diagonal."""
    return -jnp.diagonal(jax.nn.log_softmax(logits, axis=1)).mean()
