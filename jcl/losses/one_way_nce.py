"""InfoNCE in one direction, from queries to keys.

Inputs: queries and keys, negatives for all queries if you have any
Formula: mean_i [-s(q_i, k_i) + log(sum_j exp s(q_i, k_j) + sum_m exp s(q_i, n_m))]
Cost: 8 B (B + K) d for K negatives
Neighbours: `info_nce` is the mean of both directions. Equals `query_key_nce`, but keys and
  negatives get gradients.
"""

import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from jcl.losses.engine.cross_entropy import cross_entropy
from jcl.losses.engine.door import check_arguments
from jcl.losses.engine.embeddings import unit_rows_alike
from jcl.losses.engine.pairwise import inner_products, map_rows


def one_way_nce(
    queries: Float[Array, "B d"],
    keys: Float[Array, "B d"],
    *,
    temperature: Real[ArrayLike, ""],
    negatives: Float[Array, "K d"] | None = None,
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Cross-entropy of every query's softmax over all keys of the batch and given negatives.

    With `q`, `k` and `n` the unit-normalised queries, keys and negatives and `s` the inner product
    divided by the temperature::

        l_i = -s(q_i, k_i) + log( sum_j exp s(q_i, k_j) + sum_m exp s(q_i, n_m) )

    The first sum has B terms, the positive among them. Every negative counts for every query.
    Gradients flow through queries, keys and negatives.

    Take it if queries and keys have different roles: sentences with hard negatives (SimCSE),
    nearest neighbours as keys (NNCLR), directions of unequal weight (ConVIRT), augmented copies as
    keys (CleanCLIP). `info_nce` is the mean of both directions, without further negatives, and
    computes each product once. `query_key_nce` is for keys of a moving average, which get no
    gradient.

    Args:
        queries: raw projections `[B, d]`.
        keys: raw projections `[B, d]`, the positive of query i in row i.
        temperature: see `jcl.losses`.
        negatives: raw projections `[K, d]`, the same on all devices, for any K; None for none.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i` over the B queries; 0 where B is 1 and there are no negatives.

    Raises:
        UserError: see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import one_way_nce
        >>> queries = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> round(float(one_way_nce(queries, queries, temperature=1.0)), 4)  # log(1 + 1 / e)
        0.3133

    References:
        van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018,
        equation 4 (https://arxiv.org/abs/1807.03748); with hard negatives Gao et al., "SimCSE",
        EMNLP 2021, equation 5 (https://arxiv.org/abs/2104.08821).
    """
    arguments = {"queries": (queries, "float [B, d]"), "keys": (keys, "float [B, d]")}
    if negatives is not None:
        arguments["negatives"] = (negatives, "float [K, d]")
    arguments["temperature"] = (temperature, "positive")
    check_arguments("one_way_nce", mesh, **arguments, may_be_empty=("K",))
    queries, keys, negatives = unit_rows_alike(queries, keys, negatives)
    replicated = negatives, jnp.asarray(temperature, keys.dtype)
    losses = map_rows(
        _own_key_among_all, queries, keys, replicated, mesh=mesh, block_size=block_size
    )
    return jnp.mean(losses)


def _own_key_among_all(
    index: Int[Array, ""],
    query: Float[Array, " d"],
    keys: Float[Array, "B d"],
    replicated: tuple[Float[Array, "K d"] | None, Float[Array, ""]],
) -> Float[Array, ""]:
    negatives, temperature = replicated
    logits = inner_products(query, keys) / temperature
    is_own = jnp.arange(len(logits)) == index
    positive = jnp.sum(jnp.where(is_own, logits, 0))
    if negatives is not None:
        logits = jnp.append(logits, inner_products(query, negatives) / temperature)
    return cross_entropy(positive, logits, where=jnp.arange(len(logits)) != index)
