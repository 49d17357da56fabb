"""MV-DHEL, which decouples the alignment of views from the uniformity of each view.

Inputs: V views of every example
Formula: mean_i [-log sum_{l < m} exp s(z_il, z_im) + sum_l log sum_{j != i} exp s(z_il, z_jl)]
Cost: 8 V B^2 d
Neighbours: For two views it resembles `dcl`, but negatives are of the same view alone. Costs V
  times less than `mv_info_nce`.
"""

import jax
import jax.numpy as jnp
from jax.nn import logsumexp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from jcl.losses.engine.embeddings import unit_rows
from jcl.losses.engine.many_views import check_many_views
from jcl.losses.engine.pairwise import inner_products, map_rows


def mv_dhel(
    z: Float[Array, "B V d"],
    *,
    temperature: Real[ArrayLike, ""],
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Multi-view decoupled hyperspherical energy: negatives of a view come from the same view.

    With `z_il` the unit row of view l of example i and `s` the inner product divided by the
    temperature::

        l_i = -log sum_{l < m} exp s(z_il, z_im) + sum_l log sum_{j != i} exp s(z_il, z_jl)

    Every unordered pair of views counts once. The second term is the sum, not the mean, over the V
    views. The positives are not among the negatives, so the loss is often negative.

    For two views this is DHEL: `-s(z_i0, z_i1)` plus the log-sums of both views. `dcl` has the same
    form, but its anchors also have negatives from the other view. `mv_info_nce` takes the negatives
    of a view only from the other views.

    Args:
        z: raw projections `[B, V, d]` of V >= 2 views; B >= 2.
        temperature: see `jcl.losses`.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`; an anchor is an example with all of its views.

    Returns:
        Mean of `l_i` over the B examples.

    Raises:
        UserError: V is 1, or B is 1, so there are no negatives; else see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import mv_dhel
        >>> z = jnp.array([[[1.0, 0.0]] * 2, [[0.0, 1.0]] * 2])
        >>> round(float(mv_dhel(z, temperature=0.5)), 4)  # -1 / 0.5 + 2 log 1
        -2.0

    References:
        Koromilas et al., "A Principled Framework for Multi-View Contrastive Learning", 2025
        (https://arxiv.org/abs/2507.06979); for two views, "Bridging Mini-Batch and Asymptotic
        Analysis in Contrastive Learning", ICML 2024 (https://arxiv.org/abs/2405.18045).
    """
    check_many_views("mv_dhel", z, mesh, at_least=2, temperature=(temperature, "positive"))
    z = unit_rows(z)
    temperature = jnp.asarray(temperature, z.dtype)
    losses = map_rows(_example_loss, z, z, temperature, mesh=mesh, block_size=block_size)
    return jnp.mean(losses)


def _example_loss(
    index: Int[Array, ""],
    views: Float[Array, "V d"],
    columns: Float[Array, "B V d"],
    temperature: Float[Array, ""],
) -> Float[Array, ""]:
    is_other = jnp.arange(len(columns)) != index

    def log_sum_of_negatives(view: Float[Array, " d"], same_view: Float[Array, "B d"]):
        logits = inner_products(view, same_view) / temperature
        return logsumexp(jnp.where(is_other, logits, -jnp.inf))

    negatives = jax.vmap(log_sum_of_negatives, in_axes=(0, 1))(views, columns)
    positives = jax.vmap(inner_products, in_axes=(0, None))(views, views) / temperature
    return jnp.sum(negatives) - logsumexp(positives[jnp.triu_indices(len(views), 1)])
