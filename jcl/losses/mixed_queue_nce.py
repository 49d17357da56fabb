"""InfoNCE of queries against a queue and mixtures of its hardest keys, the loss of MoCHi.

Inputs: queries, keys of a moving average, a queue of older keys, a random key
Formula: mean_i [-s(q_i, k_i) + log(exp s(q_i, k_i) + sum_m exp s(q_i, n_m) + sum_{h in H(i)} exp
  s(q_i, h))]
Cost: 6 B (K + S) d for a queue of K and S mixtures, and B searches for the nearest of K
Neighbours: Without mixtures it equals `query_queue_nce`. MoCHi.
"""

import functools

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PRNGKeyArray, Real, UInt32

from jcl.losses.engine.cross_entropy import cross_entropy
from jcl.losses.engine.door import check_arguments, check_at_least, check_key
from jcl.losses.engine.embeddings import unit_rows, unit_rows_alike
from jcl.losses.engine.pairwise import inner_products, map_rows


def mixed_queue_nce(
    queries: Float[Array, "B d"],
    keys: Float[Array, "B d"],
    key: PRNGKeyArray | UInt32[Array, " words"],
    *,
    temperature: Real[ArrayLike, ""],
    queue: Float[Array, "K d"],
    hardest: int,
    mixed: int,
    mixed_with_query: int,
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Cross-entropy of every query's softmax over its own key, a queue, and mixtures of hard keys.

    With `q`, `k` and `n` the unit-normalised queries, keys and rows of the queue, `s` the inner
    product divided by the temperature, and `N(i)` the `hardest` rows of the queue whose cosine with
    query i is largest::

        H(i): `mixed` times  unit(a n_j + (1 - a) n_l),  n_j and n_l of N(i), a ~ U(0, 1)
              `mixed_with_query` times  unit(b q_i + (1 - b) n_j),  n_j of N(i), b ~ U(0, 1/2)
        D_i = exp s(q_i, k_i) + sum_m exp s(q_i, n_m) + sum_{h in H(i)} exp s(q_i, h)
        l_i = -s(q_i, k_i) + log D_i

    The rows of N(i) for each mixture are drawn uniformly and with replacement. The mixtures are
    under stop-gradient, including the query within them. Only queries and the temperature get
    gradients.

    The random numbers of query i are a function of `key` and i alone. So they are the same for
    every block size and mesh, but change if the batch is reordered. A block holds all of its
    mixtures in memory: `block_size` times their number times d.

    Args:
        queries: raw projections `[B, d]`.
        keys: raw projections `[B, d]` of the other encoder, the positive of query i in row i.
        key: a PRNG key for the mixtures, another at every step.
        temperature: see `jcl.losses`.
        queue: raw projections `[K, d]`, the same on all devices. It must not hold `keys` yet.
        hardest: number of nearest rows of the queue that are mixed, at most K.
        mixed: number of mixtures of two of these rows per query; may be 0.
        mixed_with_query: number of mixtures of one of these rows with the query; may be 0.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i` over the B queries.

    Raises:
        UserError: `hardest` is more than K; else see `jcl.losses`.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jcl.losses import mixed_queue_nce
        >>> queries, queue = jnp.array([[1.0, 0.0]]), jnp.array([[0.0, 1.0], [0.0, 2.0]])
        >>> loss = mixed_queue_nce(
        ...     queries, queries, jax.random.key(0), temperature=1.0, queue=queue,
        ...     hardest=2, mixed=3, mixed_with_query=0,
        ... )
        >>> round(float(loss), 4)  # log(1 + 5 / e), because mixtures of equal keys are the same
        1.0436

    References:
        Kalantidis et al., "Hard Negative Mixing for Contrastive Learning", NeurIPS 2020, section 4
        (https://arxiv.org/abs/2010.01028).
    """
    embeddings = {
        "queries": (queries, "float [B, d]"),
        "keys": (keys, "float [B, d]"),
        "queue": (queue, "float [K, d]"),
    }
    counts = {
        "hardest": (hardest, "positive whole"),
        "mixed": (mixed, "non-negative whole"),
        "mixed_with_query": (mixed_with_query, "non-negative whole"),
    }
    scalars = {"temperature": (temperature, "positive"), **counts}
    sizes = check_arguments("mixed_queue_nce", mesh, **embeddings, **scalars)
    check_at_least("mixed_queue_nce", hardest, "keys in the queue", sizes["K"])
    check_key("mixed_queue_nce", key)
    queries, keys, queue = unit_rows_alike(queries, stop_gradient(keys), stop_gradient(queue))
    losses = map_rows(
        functools.partial(
            _own_key_among_mixtures,
            hardest=hardest,
            mixed=mixed,
            mixed_with_query=mixed_with_query,
        ),
        (queries, keys),
        (),
        (queue, jnp.asarray(temperature, queue.dtype), key),
        mesh=mesh,
        block_size=block_size,
    )
    return jnp.mean(losses)


def _own_key_among_mixtures(
    index: Int[Array, ""],
    row: tuple[Float[Array, " d"], Float[Array, " d"]],
    columns: tuple[()],
    replicated: tuple[Float[Array, "K d"], Float[Array, ""], PRNGKeyArray],
    *,
    hardest: int,
    mixed: int,
    mixed_with_query: int,
) -> Float[Array, ""]:
    query, own = row
    queue, temperature, key = replicated
    (positive,) = inner_products(query, own[None]) / temperature
    cosines = inner_products(query, queue)
    nearest = queue[jax.lax.top_k(stop_gradient(cosines), hardest)[1]]
    key = jax.random.fold_in(key, index)
    mixtures = _mixtures(key, stop_gradient(query), nearest, mixed, mixed_with_query)
    logits = jnp.concatenate([cosines, inner_products(query, mixtures)]) / temperature
    return cross_entropy(positive, logits, where=jnp.array([True]))


def _mixtures(
    key: PRNGKeyArray,
    query: Float[Array, " d"],
    nearest: Float[Array, "N d"],
    mixed: int,
    mixed_with_query: int,
) -> Float[Array, "S d"]:
    """The mixtures of one query: first of two near rows each, then of a near row and the query."""
    # All random words are drawn at once, because a generator takes long to compile.
    words = jax.random.bits(key, (3 * mixed + 2 * mixed_with_query,), jnp.uint32)
    of_two, of_query = words[: 3 * mixed].reshape(3, -1), words[3 * mixed :].reshape(2, -1)

    def near(words):
        return nearest[words % len(nearest)]

    def share(words):
        """In [0, 1), the same number in float32 and float64."""
        return ((words >> 8).astype(query.dtype) / 2**24)[:, None]

    a, b = share(of_two[2]), share(of_query[1]) / 2
    pairs = a * near(of_two[0]) + (1 - a) * near(of_two[1])
    with_query = b * query + (1 - b) * near(of_query[0])
    return unit_rows(jnp.concatenate([pairs, with_query]))
