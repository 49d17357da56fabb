"""InfoNCE with soft targets: every query has a distribution over the keys.

Inputs: queries, keys, a distribution over the keys for every query
Formula: mean_i [-sum_j targets_ij log softmax_j s(q_i, k_j)]
Cost: 8 B C d for C keys
Neighbours: Equals `one_way_nce` if each query's target is one-hot at its own key.
"""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from jcl.losses.engine.door import check_arguments
from jcl.losses.engine.embeddings import unit_rows
from jcl.losses.engine.pairwise import inner_products, map_rows


def soft_info_nce(
    queries: Float[Array, "B d"],
    keys: Float[Array, "C d"],
    targets: Float[Array, "B C"],
    *,
    temperature: Real[ArrayLike, ""],
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Mean over i of -sum_j targets_ij log softmax_j(cos(queries_i, keys_j) / temperature).

    A row of `targets` is a query's distribution over all keys. The loss has one direction. For
    both, average it with `soft_info_nce(keys, queries, ...)`, whose targets are over the queries.

    Args:
        queries: raw projections `[B, d]`.
        keys: raw projections `[C, d]`; C need not be B.
        targets: `[B, C]`, 0 or more; each row sums to 1.
        temperature: see `jcl.losses`.
        mesh: see `jcl.losses`; both queries and keys are sharded.
        block_size: see `jcl.losses`.

    Returns:
        Mean over the B queries.

    Raises:
        UserError: B or C is not divisible by the devices of `mesh`; else see `jcl.losses`.

    References:
        Burdisso et al., "Dialog2Flow", EMNLP 2024 (https://arxiv.org/abs/2410.18481).
    """
    embeddings = {"queries": (queries, "float [B, d]"), "keys": (keys, "float [C, d]")}
    beside = {"targets": (targets, "float [B, C]"), "temperature": (temperature, "positive")}
    check_arguments("soft_info_nce", mesh, **embeddings, **beside)
    sides = (unit_rows(queries), targets), unit_rows(keys)
    return jnp.mean(map_rows(_cross_entropy, *sides, temperature, mesh=mesh, block_size=block_size))


def _cross_entropy(index, row, keys, temperature):
    query, target = row
    log_softmax = jax.nn.log_softmax(inner_products(query, keys) / temperature)
    return -jnp.sum(target.astype(log_softmax.dtype) * log_softmax)
