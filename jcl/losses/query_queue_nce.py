"""InfoNCE of queries against a queue of keys, the loss of MoCo and MoCo v2.

Inputs: queries, keys of a moving average, a queue of older keys
Formula: mean_i [-s(q_i, k_i) + log(exp s(q_i, k_i) + sum_m exp s(q_i, n_m))]
Cost: 6 B K d for a queue of K
Neighbours: Equals `query_key_nce`, but the keys of other examples are no negatives. MoCo v2.
"""

import jax.numpy as jnp
from jax.lax import stop_gradient
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from jcl.losses.engine.cross_entropy import cross_entropy
from jcl.losses.engine.door import check_arguments
from jcl.losses.engine.embeddings import unit_rows_alike
from jcl.losses.engine.pairwise import inner_products, map_rows


def query_queue_nce(
    queries: Float[Array, "B d"],
    keys: Float[Array, "B d"],
    *,
    temperature: Real[ArrayLike, ""],
    queue: Float[Array, "K d"],
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Cross-entropy of every query's softmax over its own key and a queue of older keys.

    With `q`, `k` and `n` the unit-normalised queries, keys and rows of the queue and `s` the inner
    product divided by the temperature::

        l_i = -s(q_i, k_i) + log( exp s(q_i, k_i) + sum_m exp s(q_i, n_m) )

    Keys of other examples are not negatives. So the loss of a query does not depend on the batch
    size, and devices send each other only sums. Only queries and the temperature get gradients.
    Take it if the queue is much longer than the batch. `query_key_nce` also uses the keys of the
    batch as negatives.

    Args:
        queries: raw projections `[B, d]`.
        keys: raw projections `[B, d]` of the other encoder, the positive of query i in row i.
        temperature: see `jcl.losses`.
        queue: raw projections `[K, d]`, the same on all devices, for any K >= 1. It must not hold
            `keys` yet.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i` over the B queries.

    Raises:
        UserError: see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import query_queue_nce
        >>> queries, queue = jnp.array([[1.0, 0.0]]), jnp.array([[0.0, 1.0], [0.0, -2.0]])
        >>> loss = query_queue_nce(queries, queries, temperature=1.0, queue=queue)
        >>> round(float(loss), 4)  # log(1 + 2 / e)
        0.5514

    References:
        He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020,
        equation 1 (https://arxiv.org/abs/1911.05722).
    """
    embeddings = {
        "queries": (queries, "float [B, d]"),
        "keys": (keys, "float [B, d]"),
        "queue": (queue, "float [K, d]"),
    }
    check_arguments("query_queue_nce", mesh, **embeddings, temperature=(temperature, "positive"))
    queries, keys, queue = unit_rows_alike(queries, stop_gradient(keys), stop_gradient(queue))
    replicated = queue, jnp.asarray(temperature, queue.dtype)
    losses = map_rows(
        _own_key_among_queue, (queries, keys), (), replicated, mesh=mesh, block_size=block_size
    )
    return jnp.mean(losses)


def _own_key_among_queue(
    index: Int[Array, ""],
    row: tuple[Float[Array, " d"], Float[Array, " d"]],
    columns: tuple[()],
    replicated: tuple[Float[Array, "K d"], Float[Array, ""]],
) -> Float[Array, ""]:
    query, key = row
    queue, temperature = replicated
    (positive,) = inner_products(query, key[None]) / temperature
    logits = inner_products(query, queue) / temperature
    return cross_entropy(positive, logits, where=jnp.array([True]))
