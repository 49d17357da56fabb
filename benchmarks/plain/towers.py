"""Losses between two towers, or queries and keys, in plain jnp: all logits in one matrix."""

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jax.nn import log_sigmoid, log_softmax, logsumexp

from benchmarks.plain.rows import cosines, cross_entropy, products, unit


def info_nce(queries: jax.Array, keys: jax.Array, *, temperature: float) -> jax.Array:
    logits = cosines(queries, keys) / temperature
    both_ways = logsumexp(logits, axis=1) + logsumexp(logits, axis=0)
    return both_ways.mean() / 2 - jnp.diagonal(logits).mean()


def siglip(images: jax.Array, texts: jax.Array, *, temperature: float, bias: float) -> jax.Array:
    logits = cosines(images, texts) / temperature + bias
    belong = jnp.eye(len(images), dtype=bool)
    return -log_sigmoid(jnp.where(belong, logits, -logits)).sum(axis=1).mean()


def bimodal_sogclr(
    images: jax.Array,
    texts: jax.Array,
    log_image_estimates: jax.Array,
    log_text_estimates: jax.Array,
    *,
    temperature: float,
    gamma: float,
) -> jax.Array:
    """The value; the new estimates are left out."""
    similarities, apart = cosines(images, texts), ~jnp.eye(len(images), dtype=bool)
    differences = jnp.stack([x - jnp.diag(x)[:, None] for x in (similarities, similarities.T)])
    g = jnp.exp(differences / temperature).sum(axis=2, where=apart) / (len(images) - 1)
    old = jnp.exp(jnp.stack([log_image_estimates, log_text_estimates]))
    u = stop_gradient(jnp.where(old == 0, g, (1 - gamma) * old + gamma * g))
    # The value is log u, the gradient that of g / u.
    return temperature * (jnp.log(u) + (g - stop_gradient(g)) / u).mean()


def one_way_nce(
    queries: jax.Array, keys: jax.Array, negatives: jax.Array, *, temperature: float
) -> jax.Array:
    return cross_entropy(cosines(queries, jnp.concatenate([keys, negatives])) / temperature)


def query_key_nce(
    queries: jax.Array, keys: jax.Array, queue: jax.Array, *, temperature: float
) -> jax.Array:
    keys, queue = stop_gradient((keys, queue))
    return one_way_nce(queries, keys, queue, temperature=temperature)


def query_queue_nce(
    queries: jax.Array, keys: jax.Array, queue: jax.Array, *, temperature: float
) -> jax.Array:
    keys, queue = stop_gradient((keys, queue))
    own = (unit(queries) * unit(keys)).sum(axis=1, keepdims=True)
    logits = jnp.concatenate([own, cosines(queries, queue)], axis=1) / temperature
    return -log_softmax(logits, axis=1)[:, 0].mean()


def transformed_queue_nce(
    queries: jax.Array,
    keys: jax.Array,
    queue: jax.Array,
    partners: jax.Array,
    *,
    temperature: float,
    extrapolation: float,
    query_extrapolation: float,
    interpolation: float,
) -> jax.Array:
    q, k, n = unit(queries), stop_gradient(unit(keys)), stop_gradient(unit(queue))
    moved_q = extrapolation * q + (1 - extrapolation) * k
    moved_k = extrapolation * k + (1 - extrapolation) * q
    own = (moved_q * moved_k).sum(axis=1, keepdims=True)
    q = query_extrapolation * q + (1 - query_extrapolation) * k
    n = interpolation * n + (1 - interpolation) * n[partners]
    logits = jnp.concatenate([own, products("id,jd->ij", q, n)], axis=1) / temperature
    return -log_softmax(logits, axis=1)[:, 0].mean()


def soft_info_nce(
    queries: jax.Array, keys: jax.Array, targets: jax.Array, *, temperature: float
) -> jax.Array:
    logits = cosines(queries, keys) / temperature
    return -(targets * log_softmax(logits, axis=1)).sum(axis=1).mean()


def one_to_k(images: jax.Array, captions: jax.Array, *, temperature: float) -> jax.Array:
    logits = products("id,jkd->ijk", unit(images), unit(captions)) / temperature
    own = jnp.diagonal(logits).mean()
    of_images, of_captions = logsumexp(logits, axis=(1, 2)), logsumexp(logits, axis=0)
    return (of_images.mean() + of_captions.mean()) / 2 - own


def filip(
    images: jax.Array,
    image_mask: jax.Array,
    texts: jax.Array,
    text_mask: jax.Array,
    *,
    temperature: float,
) -> jax.Array:
    of_tokens = products("ikd,jrd->ikjr", unit(images), unit(texts))
    best_in_text = jnp.where(text_mask, of_tokens, -jnp.inf).max(axis=3)
    best_in_image = jnp.where(image_mask[:, :, None, None], of_tokens, -jnp.inf).max(axis=1)
    of_images = best_in_text.mean(axis=1, where=image_mask[:, :, None])
    of_texts = best_in_image.mean(axis=2, where=text_mask).T
    return (cross_entropy(of_images / temperature) + cross_entropy(of_texts / temperature)) / 2
