"""Sinkhorn and Knopp's codes in plain jnp: the matrix of exponentials, scaled again and again."""

import jax
import jax.numpy as jnp


def sinkhorn(scores: jax.Array, *, epsilon: float, iterations: int) -> jax.Array:
    codes = jnp.exp((scores - scores.max()) / epsilon)
    for _ in range(iterations):
        codes = codes / codes.sum(axis=0)
        codes = codes / codes.sum(axis=1, keepdims=True)
    return codes
