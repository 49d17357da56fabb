"""Losses as one would write them first in jnp: all logits in one matrix."""

import jax
import jax.numpy as jnp
from jax.nn import logsumexp


def nt_xent(z0: jax.Array, z1: jax.Array, temperature: float) -> jax.Array:
    z = _unit(jnp.concatenate([z0, z1]))
    logits = jnp.where(jnp.eye(len(z), dtype=bool), -jnp.inf, _logits(z, z, temperature))
    return logsumexp(logits, axis=1).mean() - _positives(z0, z1, temperature).mean()


def dcl(z0: jax.Array, z1: jax.Array, temperature: float) -> jax.Array:
    z = _unit(jnp.concatenate([z0, z1]))
    example = jnp.tile(jnp.arange(len(z0)), 2)
    logits = jnp.where(example[:, None] == example, -jnp.inf, _logits(z, z, temperature))
    return logsumexp(logits, axis=1).mean() - _positives(z0, z1, temperature).mean()


def info_nce(queries: jax.Array, keys: jax.Array, temperature: float) -> jax.Array:
    logits = _logits(_unit(queries), _unit(keys), temperature)
    both_ways = logsumexp(logits, axis=1) + logsumexp(logits, axis=0)
    return both_ways.mean() / 2 - jnp.diagonal(logits).mean()


def supcon(z0: jax.Array, z1: jax.Array, labels: jax.Array, temperature: float) -> jax.Array:
    z, labels = _unit(jnp.concatenate([z0, z1])), jnp.tile(labels, 2)
    logits, itself = _logits(z, z, temperature), jnp.eye(len(z), dtype=bool)
    positive = (labels[:, None] == labels) & ~itself
    log_denominators = logsumexp(jnp.where(itself, -jnp.inf, logits), axis=1)
    return (log_denominators - logits.mean(axis=1, where=positive)).mean()


def _unit(z):
    return z / jnp.linalg.norm(z, axis=1, keepdims=True)


def _logits(rows, columns, temperature):
    return jnp.matmul(rows, columns.T, precision="highest") / temperature


def _positives(z0, z1, temperature):
    return (_unit(z0) * _unit(z1)).sum(1) / temperature
