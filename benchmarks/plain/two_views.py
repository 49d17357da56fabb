"""Losses of two views in plain jnp: all logits in one matrix."""

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jax.nn import log_softmax, logmeanexp, logsumexp, softmax

from benchmarks.plain.rows import cosines, unit


def nt_xent(z0: jax.Array, z1: jax.Array, *, temperature: float) -> jax.Array:
    z = jnp.concatenate([z0, z1])
    logits = jnp.where(_itself(z), -jnp.inf, cosines(z, z) / temperature)
    return logsumexp(logits, axis=1).mean() - _positives(z0, z1).mean() / temperature


def dcl(z0: jax.Array, z1: jax.Array, *, temperature: float) -> jax.Array:
    log_sums = _log_sums_of_negatives(z0, z1, temperature)
    return log_sums.mean() - _positives(z0, z1).mean() / temperature


def hard_nt_xent(
    z0: jax.Array, z1: jax.Array, *, temperature: float, threshold: float
) -> jax.Array:
    z, example = jnp.concatenate([z0, z1]), jnp.tile(jnp.arange(len(z0)), 2)
    similarities = cosines(z, z)
    in_sum = (similarities > threshold) | (example[:, None] == example)
    logits = jnp.where(in_sum & ~_itself(z), similarities / temperature, -jnp.inf)
    return logsumexp(logits, axis=1).mean() - _positives(z0, z1).mean() / temperature


def sogclr(
    z0: jax.Array, z1: jax.Array, log_estimates: jax.Array, *, temperature: float, gamma: float
) -> jax.Array:
    """The value; the new estimates are left out."""
    log_sums = _log_sums_of_negatives(z0, z1, temperature)
    g = jnp.exp(log_sums) / (2 * len(z0) - 2)
    old = jnp.tile(jnp.exp(log_estimates), 2)
    u = stop_gradient(jnp.where(old == 0, g, (1 - gamma) * old + gamma * g))
    # The value is log u, the gradient that of g / u.
    log_u = jnp.log(u) + (g - stop_gradient(g)) / u
    return temperature * log_u.mean() - _positives(z0, z1).mean()


def supcon(z0: jax.Array, z1: jax.Array, labels: jax.Array, *, temperature: float) -> jax.Array:
    z, labels = jnp.concatenate([z0, z1]), jnp.tile(labels, 2)
    logits, itself = cosines(z, z) / temperature, _itself(z)
    positive = (labels[:, None] == labels) & ~itself
    log_denominators = logsumexp(jnp.where(itself, -jnp.inf, logits), axis=1)
    return (log_denominators - logits.mean(axis=1, where=positive)).mean()


def soft_aggregation(
    z0: jax.Array,
    z1: jax.Array,
    labels: jax.Array,
    *,
    temperature: float,
    weight_temperature: float,
) -> jax.Array:
    z, labels = jnp.concatenate([z0, z1]), jnp.tile(labels, 2)
    similarities, itself = cosines(z, z), _itself(z)
    positive = (labels[:, None] == labels) & ~itself
    of_weights = stop_gradient(similarities) / weight_temperature
    log_weights = logsumexp(jnp.where(positive, of_weights, -jnp.inf), axis=1)
    shares = softmax(jnp.where(positive, log_weights, -jnp.inf), axis=1)
    log_shares = log_softmax(jnp.where(itself, -jnp.inf, similarities / temperature), axis=1)
    return -jnp.where(positive, shares * log_shares, 0).sum(axis=1).mean()


def alignment_uniformity(z0: jax.Array, z1: jax.Array, *, t: float, weight: float) -> jax.Array:
    def uniformity(z):
        return logmeanexp(-t * (2 - 2 * cosines(z, z)), where=~_itself(z))

    alignment = jnp.square(unit(z0) - unit(z1)).sum(axis=1).mean()
    return alignment + weight * (uniformity(z0) + uniformity(z1)) / 2


def _log_sums_of_negatives(z0, z1, temperature):
    z, example = jnp.concatenate([z0, z1]), jnp.tile(jnp.arange(len(z0)), 2)
    own = example[:, None] == example
    return logsumexp(jnp.where(own, -jnp.inf, cosines(z, z) / temperature), axis=1)


def _itself(z):
    return jnp.eye(len(z), dtype=bool)


def _positives(z0, z1):
    return (unit(z0) * unit(z1)).sum(axis=1)
