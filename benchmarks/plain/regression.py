"""Losses of two views with targets in plain jnp: all pairs in one matrix."""

import jax
import jax.numpy as jnp
from jax.nn import logsumexp

from benchmarks.plain.rows import cosines, products


def rank_n_contrast(
    z0: jax.Array, z1: jax.Array, targets: jax.Array, *, temperature: float
) -> jax.Array:
    """Every row is sorted by the distance of the targets; the sums then are cumulative."""
    v, y = jnp.concatenate([z0, z1]), jnp.tile(targets, 2)
    itself = jnp.eye(len(v), dtype=bool)
    sizes = jnp.square(v).sum(axis=1)
    squared = sizes[:, None] + sizes - 2 * products("id,jd->ij", v, v)
    logits = -jnp.sqrt(jnp.where(itself, 1, squared)) / temperature
    apart = jnp.where(itself, -1, jnp.abs(y[:, None] - y))
    order = jnp.argsort(apart, axis=1)[:, 1:]  # the anchor itself comes first
    apart, logits = (jnp.take_along_axis(x, order, axis=1) for x in (apart, logits))
    log_sums = jax.lax.cumlogsumexp(logits, axis=1, reverse=True)
    first_tied = jax.vmap(jnp.searchsorted)(apart, apart)
    return (jnp.take_along_axis(log_sums, first_tied, axis=1) - logits).mean()


def conr(
    f0: jax.Array,
    f1: jax.Array,
    targets: jax.Array,
    predictions: jax.Array,
    *,
    temperature: float,
    window: float,
    push: float,
) -> jax.Array:
    f = jnp.concatenate([f0, f1])
    apart, predicted_apart = (
        jnp.abs(x[:, None] - x) for x in (jnp.tile(y, 2) for y in (targets, predictions))
    )
    logits = cosines(f, f) / temperature
    positive = (apart <= window) & ~jnp.eye(len(f), dtype=bool)
    negative = (apart > window) & (predicted_apart <= window)
    in_sum = jnp.where(negative, logits + push * apart, jnp.where(positive, logits, -jnp.inf))
    losses = logsumexp(in_sum, axis=1) - logits.mean(axis=1, where=positive)
    return jnp.where(negative.any(axis=1), losses, 0).mean()
