"""Rank-N-Contrast, for regression: embeddings are ordered by distance as their targets are.

Inputs: two views of every example, targets
Formula: mean_{i != j} log sum_{k != i, |y_i - y_k| >= |y_i - y_j|} exp(s_ik - s_ij), s_ij = -|v_i
  - v_j| / temperature
Cost: the distances of M^2 pairs, without matrix products, and M sorts of M numbers, M = 2B
Neighbours: Orders embeddings as their targets are. `supremix` also mixes embeddings; `conr` only
  acts on examples with near predictions and far targets. Projections are not normalised.
"""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from jcl.losses.engine.door import check_views
from jcl.losses.engine.embeddings import interleave_views
from jcl.losses.engine.pairwise import distances, map_rows


def rank_n_contrast(
    z0: Float[Array, "B d"],
    z1: Float[Array, "B d"],
    targets: Real[Array, " B"],
    *,
    temperature: Real[ArrayLike, ""],
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Mean over i != j of log sum_{k != i, |y_i - y_k| >= |y_i - y_j|} exp(s_ik - s_ij).

    s_ij = -|v_i - v_j| / temperature. v are the 2B projections, which are not normalised here, and
    y are their targets (Zha et al., NeurIPS 2023, https://arxiv.org/abs/2210.01189). Take it if the
    order of targets alone should shape the embeddings.

    Args:
        z0: first view of every example, raw projections `[B, d]`.
        z1: second view, in the same order.
        targets: numbers `[B]`, of both views.
        temperature: see `jcl.losses`; it divides distances, not cosines.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        The mean over all ordered pairs of different projections.

    Raises:
        UserError: see `jcl.losses`.
    """
    beside = {"targets": (targets, "real [B]"), "temperature": (temperature, "positive")}
    check_views("rank_n_contrast", z0, z1, mesh, **beside)
    sides = interleave_views(z0, z1), jnp.repeat(targets.astype(float), 2)
    losses = map_rows(_anchor_loss, sides, sides, temperature, mesh=mesh, block_size=block_size)
    return jnp.mean(losses)


def _anchor_loss(index, anchor, keys, temperature):
    (v, y), (vs, ys) = anchor, keys
    far = jnp.where(jnp.arange(len(ys)) == index, -1, jnp.abs(y - ys))
    far, logits = jax.lax.sort((far, -distances(v, vs) / temperature), num_keys=1)
    far, logits = far[1:], logits[1:]  # the anchor itself came first
    first_tied = jax.lax.cummax(jnp.where(jnp.diff(far, prepend=-1) > 0, jnp.arange(len(far)), 0))
    return jnp.mean(jax.lax.cumlogsumexp(logits, reverse=True)[first_tied] - logits)
