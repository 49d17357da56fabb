"""InfoNCE between two towers, the loss of CLIP.

Inputs: pairs from two towers
Formula: mean_i [-s(q_i, k_i) + 1/2 log sum_j exp s(q_i, k_j) + 1/2 log sum_j exp s(q_j, k_i)]
Cost: 8 B^2 d, both directions from the same products
Neighbours: Equals the mean of `one_way_nce` in both directions, without further negatives. Like
  `nt_xent`, but a tower is never compared with itself.
"""

import jax
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from jcl.losses.engine.door import check_arguments, given
from jcl.losses.engine.paired_batch import mean_over_anchors, unit_pairs, unrounded_pairs
from jcl.losses.engine.two_sided import log_sums_and_positive


def info_nce(
    queries: Float[Array, "B d"],
    keys: Float[Array, "B d"],
    *,
    temperature: Real[ArrayLike, ""],
    weights: Float[Array, " B"] | None = None,
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Symmetric cross-entropy between queries and keys over the global batch.

    With `q` and `k` the unit-normalised embeddings of the two towers and `s` the inner product
    divided by the temperature, each pair has a term for either direction::

        l_i = -s(q_i, k_i) + 1/2 log sum_j exp s(q_i, k_j) + 1/2 log sum_j exp s(q_j, k_i)

    Each sum has B terms, the positive among them. Queries are never compared with queries, nor
    keys with keys. Gradients flow through both towers, across all devices. CLIP's logit scale is
    `1 / temperature`.

    Args:
        queries: embeddings of one tower, raw projections `[B, d]`.
        keys: embeddings of the other tower, in the same order.
        temperature: see `jcl.losses`.
        weights: see `jcl.losses`.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i`, times its weight, over the B pairs; 0 where B is 1.

    Raises:
        UserError: see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import info_nce
        >>> queries = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> round(float(info_nce(queries, queries, temperature=1.0)), 4)  # log(1 + 1 / e)
        0.3133

    References:
        van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018
        (https://arxiv.org/abs/1807.03748); Radford et al., "Learning Transferable Visual Models
        From Natural Language Supervision", ICML 2021, figure 3
        (https://arxiv.org/abs/2103.00020).
    """
    embeddings = {"queries": (queries, "float [B, d]"), "keys": (keys, "float [B, d]")}
    beside = given(temperature=(temperature, "positive"), weights=(weights, "real [B]"))
    check_arguments("info_nce", mesh, **embeddings, **beside)
    exact = unrounded_pairs(queries, keys)
    queries, keys, temperature = unit_pairs(queries, keys, temperature)
    over_keys, over_queries, positive = log_sums_and_positive(
        queries, keys, temperature, exact=exact, mesh=mesh, block_size=block_size
    )
    one_way, other_way = (jax.nn.softplus(x - positive) for x in (over_keys, over_queries))
    return mean_over_anchors((one_way + other_way) / 2, weights)
