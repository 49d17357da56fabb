"""The loss of one view in plain jnp, all cosines in one matrix."""

import jax
import jax.numpy as jnp

from benchmarks.plain.rows import cosines


def cmim_contrast(z: jax.Array, *, temperature: float) -> jax.Array:
    terms = jnp.exp((cosines(z, z) - 1) / temperature)
    return jnp.log1p(terms.mean(axis=1, where=~jnp.eye(len(z), dtype=bool))).mean()
