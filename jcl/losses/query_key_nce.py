"""InfoNCE of queries against keys that get no gradient, the loss of MoCo v3.

Inputs: queries, keys of a moving average, a queue of older keys if you have one
Formula: mean_i [-s(q_i, k_i) + log(sum_j exp s(q_i, k_j) + sum_m exp s(q_i, n_m))]
Cost: 6 B (B + K) d for a queue of K
Neighbours: Equals `one_way_nce`, but only queries get gradients. MoCo v3.
"""

from jax.lax import stop_gradient
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from jcl.losses.engine.door import check_arguments
from jcl.losses.one_way_nce import one_way_nce


def query_key_nce(
    queries: Float[Array, "B d"],
    keys: Float[Array, "B d"],
    *,
    temperature: Real[ArrayLike, ""],
    queue: Float[Array, "K d"] | None = None,
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Cross-entropy of every query's softmax over all keys of the batch and a queue of older ones.

    With `q`, `k` and `n` the unit-normalised queries, keys and rows of the queue and `s` the inner
    product divided by the temperature::

        l_i = -s(q_i, k_i) + log( sum_j exp s(q_i, k_j) + sum_m exp s(q_i, n_m) )

    Only queries and the temperature get gradients, because keys come from a moving average of the
    encoder. Otherwise this is `one_way_nce`. `query_queue_nce` takes no negatives from the batch.
    The loss is not multiplied by the temperature, unlike in MoCo v3's released code.

    Args:
        queries: raw projections or predictions `[B, d]`.
        keys: raw projections `[B, d]` of the other encoder, the positive of query i in row i.
        temperature: see `jcl.losses`.
        queue: raw projections `[K, d]`, the same on all devices, for any K; None for none.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i` over the B queries; 0 where B is 1 and there is no queue.

    Raises:
        UserError: see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import query_key_nce
        >>> queries = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> queue = jnp.array([[0.0, -1.0]])
        >>> loss = query_key_nce(queries, queries, temperature=1.0, queue=queue)
        >>> round(float(loss), 4)  # (log(1 + 2 / e) + log(1 + 1 / e + 1 / e^2)) / 2
        0.4795

    References:
        Chen et al., "An Empirical Study of Training Self-Supervised Vision Transformers", ICCV
        2021, equation 1 (https://arxiv.org/abs/2104.02057).
    """
    arguments = {"queries": (queries, "float [B, d]"), "keys": (keys, "float [B, d]")}
    if queue is not None:
        arguments["queue"] = (queue, "float [K, d]")
    arguments["temperature"] = (temperature, "positive")
    check_arguments("query_key_nce", mesh, **arguments, may_be_empty=("K",))
    return one_way_nce(
        queries,
        stop_gradient(keys),
        temperature=temperature,
        negatives=None if queue is None else stop_gradient(queue),
        mesh=mesh,
        block_size=block_size,
    )
