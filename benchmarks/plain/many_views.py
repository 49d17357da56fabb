"""Losses of several views in one array [B, V, d], in plain jnp: all cosines in one array."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import stop_gradient
from jax.nn import logsumexp, softmax

from benchmarks.plain.rows import cosines, products, unit


def cacr(
    z: jax.Array, *, t_positive: float, t_negative: float, alpha: float, beta: float
) -> jax.Array:
    rows = z.reshape(-1, z.shape[2])
    example = jnp.repeat(jnp.arange(len(z)), z.shape[1])
    own = example[:, None] == example
    squared = 2 - 2 * cosines(rows, rows)

    def weighted(exponents, included):
        weights = softmax(jnp.where(included, exponents, -jnp.inf), axis=1)
        return (stop_gradient(weights) * squared).sum(axis=1).mean()

    attraction = weighted(t_positive * squared, own & ~jnp.eye(len(rows), dtype=bool))
    return alpha * attraction - beta * weighted(-t_negative * squared, ~own)


def mv_dhel(z: jax.Array, *, temperature: float) -> jax.Array:
    z = unit(z)
    of_views = products("ild,imd->ilm", z, z) / temperature
    positives = logsumexp(of_views[:, *jnp.triu_indices(z.shape[1], 1)], axis=1)
    same_view = products("ild,jld->lij", z, z) / temperature
    itself = jnp.eye(len(z), dtype=bool)
    negatives = logsumexp(jnp.where(itself, -jnp.inf, same_view), axis=2)
    return (negatives.sum(axis=0) - positives).mean()


def mv_info_nce(z: jax.Array, *, temperature: float) -> jax.Array:
    batch, views, width = z.shape
    rows = z.reshape(-1, width)
    logits = (cosines(rows, rows) / temperature).reshape(batch, views, batch, views)
    other_view = ~jnp.eye(views, dtype=bool)[:, None]
    logits = jnp.where(other_view, logits, -jnp.inf)
    own = jnp.einsum("ilim->ilm", logits)
    return (logsumexp(logits, axis=(1, 2, 3)) - logsumexp(own, axis=(1, 2))).mean()


def groco(z: jax.Array, *, neighbours: int, steepness: float) -> jax.Array:
    z = unit(z)
    keys = stop_gradient(z)
    same_view = products("ild,jld->ilj", z, keys)
    itself = jnp.eye(len(z), dtype=bool)[:, None]
    nearest = jax.lax.top_k(jnp.where(itself, -jnp.inf, same_view), neighbours)[0]
    views = z.shape[1]
    other_views = np.array([np.delete(np.arange(views), view) for view in range(views)])
    own = jnp.take_along_axis(products("ild,imd->ilm", z, keys), other_views[None], axis=2)
    elements = jnp.concatenate([nearest[..., ::-1], jnp.sort(own)], axis=2)
    chance_low = _soft_permutation(elements, steepness)[..., :neighbours, :].sum(axis=-2)
    is_negative = jnp.arange(elements.shape[2]) < neighbours
    return -jnp.log(jnp.where(is_negative, chance_low, 1 - chance_low)).mean()


def _soft_permutation(x: jax.Array, steepness: float) -> jax.Array:
    """Chances [..., place, element] of an odd-even network that sorts the last axis softly."""
    count = x.shape[-1]
    chances = jnp.broadcast_to(jnp.eye(count), (*x.shape, count))
    for layer in range(count):
        left = np.arange(layer % 2, count - 1, 2)
        ordered = 0.5 + jnp.arctan(steepness * (x[..., left + 1] - x[..., left])) / jnp.pi
        mixing = jnp.broadcast_to(jnp.eye(count), chances.shape)
        mixing = mixing.at[..., left, left].set(ordered)
        mixing = mixing.at[..., left + 1, left + 1].set(ordered)
        mixing = mixing.at[..., left, left + 1].set(1 - ordered)
        mixing = mixing.at[..., left + 1, left].set(1 - ordered)
        x = products("...ij,...j->...i", mixing, x)
        chances = products("...ij,...jk->...ik", mixing, chances)
    return chances
