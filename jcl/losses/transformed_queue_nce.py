"""InfoNCE against a queue after queries, keys and the queue were moved: feature transformation.

Inputs: queries, keys of a moving average, a queue of older keys, factors and partners
Formula: mean_i [-s(q^_i, k^_i) + log(exp s(q^_i, k^_i) + sum_m exp s(q~_i, n^_m))], of moved rows
Cost: 6 B K d for a queue of K
Neighbours: With all factors 1 it equals `query_queue_nce`. Feature transformation.
"""

import jax.numpy as jnp
from jax.lax import stop_gradient
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Integer, Real

from jcl.losses.engine.cross_entropy import cross_entropy
from jcl.losses.engine.door import check_arguments
from jcl.losses.engine.embeddings import unit_rows_alike
from jcl.losses.engine.pairwise import inner_products, map_rows


def transformed_queue_nce(
    queries: Float[Array, "B d"],
    keys: Float[Array, "B d"],
    *,
    temperature: Real[ArrayLike, ""],
    queue: Float[Array, "K d"],
    partners: Integer[Array, " K"],
    extrapolation: Real[ArrayLike, ""],
    query_extrapolation: Real[ArrayLike, ""],
    interpolation: Real[ArrayLike, ""],
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Cross-entropy of every query's softmax over its own key and a queue, all of them moved.

    With `q`, `k` and `n` the unit-normalised queries, keys and rows of the queue, `p` the
    partners, `x`, `y` and `w` the three factors in the order of the signature, and `s` the inner
    product divided by the temperature::

        q^_i = x q_i + (1 - x) k_i        k^_i = x k_i + (1 - x) q_i
        q~_i = y q_i + (1 - y) k_i        n^_m = w n_m + (1 - w) n_p(m)
        l_i  = -s(q^_i, k^_i) + log( exp s(q^_i, k^_i) + sum_m exp s(q~_i, n^_m) )

    Moved rows are not normalised again, so these are inner products and not cosines. A factor above
    1 extrapolates, a factor between 0 and 1 interpolates, and 1 changes nothing. The product of the
    positive is c + 2 x (1 - x) (1 - c) for a cosine c, which is less than c for x > 1. Queries get
    gradients through both `q^` and `k^`. Keys, the queue and the factors get none.

    Args:
        queries: raw projections `[B, d]`.
        keys: raw projections `[B, d]` of the other encoder, the positive of query i in row i.
        temperature: see `jcl.losses`.
        queue: raw projections `[K, d]`, the same on all devices. It must not hold `keys` yet.
        partners: for each row of the queue, the row that it is interpolated with, from 0 to K - 1:
            a permutation.
        extrapolation: factor of queries and keys in the positive pair.
        query_extrapolation: factor of queries when compared with the queue: the same factor, as in
            the released code, or 1.
        interpolation: factor of the queue.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i` over the B queries.

    Raises:
        UserError: see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import transformed_queue_nce
        >>> queries, keys = jnp.array([[1.0, 0.0]]), jnp.array([[0.0, 1.0]])
        >>> queue, partners = jnp.array([[-1.0, 0.0], [0.0, -1.0]]), jnp.array([1, 0])
        >>> loss = transformed_queue_nce(
        ...     queries, keys, temperature=1.0, queue=queue, partners=partners,
        ...     extrapolation=1.5, query_extrapolation=1.0, interpolation=0.5,
        ... )
        >>> round(float(loss), 4)  # log(1 + 2 e): the positive's product is -1.5, others' are -0.5
        1.862

    References:
        Zhu et al., "Improving Contrastive Learning by Visualizing Feature Transformation", ICCV
        2021 (https://arxiv.org/abs/2108.02982), with one factor for all dimensions.
    """
    arrays = {
        "queries": (queries, "float [B, d]"),
        "keys": (keys, "float [B, d]"),
        "queue": (queue, "float [K, d]"),
        "partners": (partners, "integer [K]"),
    }
    factors = {
        "extrapolation": extrapolation,
        "query_extrapolation": query_extrapolation,
        "interpolation": interpolation,
    }
    scalars = {name: (factor, "finite") for name, factor in factors.items()}
    scalars["temperature"] = (temperature, "positive")
    check_arguments("transformed_queue_nce", mesh, **arrays, **scalars)
    queries, keys, queue = unit_rows_alike(queries, stop_gradient(keys), stop_gradient(queue))
    extrapolation, query_extrapolation, interpolation = (
        stop_gradient(jnp.asarray(factor, queue.dtype)) for factor in factors.values()
    )
    losses = map_rows(
        _moved_key_among_moved_queue,
        (queries, keys),
        (),
        (
            _moved(queue, queue[partners], interpolation),
            extrapolation,
            query_extrapolation,
            jnp.asarray(temperature, queue.dtype),
        ),
        mesh=mesh,
        block_size=block_size,
    )
    return jnp.mean(losses)


def _moved_key_among_moved_queue(
    index: Int[Array, ""],
    row: tuple[Float[Array, " d"], Float[Array, " d"]],
    columns: tuple[()],
    replicated: tuple[Float[Array, "K d"], Float[Array, ""], Float[Array, ""], Float[Array, ""]],
) -> Float[Array, ""]:
    query, key = row
    queue, extrapolation, query_extrapolation, temperature = replicated
    moved_key = _moved(key, query, extrapolation)
    (positive,) = inner_products(_moved(query, key, extrapolation), moved_key[None]) / temperature
    logits = inner_products(_moved(query, key, query_extrapolation), queue) / temperature
    return cross_entropy(positive, logits, where=jnp.array([True]))


def _moved(
    x: Float[Array, "*shape"], other: Float[Array, "*shape"], factor: Float[Array, ""]
) -> Float[Array, "*shape"]:
    """Moves away from the other row for a factor above 1, and towards it for a factor below 1."""
    return factor * x + (1 - factor) * other
