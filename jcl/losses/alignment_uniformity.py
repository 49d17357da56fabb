"""Alignment and uniformity on the unit sphere.

Inputs: two views of every example
Formula: mean_i |x_i - y_i|^2 + weight (U(x) + U(y)) / 2, U(x) = log mean_{i < j} exp(-t |x_i -
  x_j|^2)
Cost: 16 B^2 d
Neighbours: The limit of contrastive losses as the number of negatives grows, in two terms. It has
  one logarithm for the batch, where `dcl` has one for every anchor.
"""

import jax
import jax.numpy as jnp
from jax.nn import logmeanexp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from jcl.losses.engine.door import check_views
from jcl.losses.engine.embeddings import unit_rows
from jcl.losses.engine.pairwise import map_rows, squared_distances


def alignment_uniformity(
    z0: Float[Array, "B d"],
    z1: Float[Array, "B d"],
    *,
    t: Real[ArrayLike, ""] = 2.0,
    weight: Real[ArrayLike, ""] = 1.0,
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """mean_i |x_i - y_i|^2 + weight (U(x) + U(y)) / 2, U(x) = log mean_{i<j} exp(-t |x_i - x_j|^2).

    x and y are the unit rows of z0 and z1 (Wang & Isola, ICML 2020,
    https://arxiv.org/abs/2005.10242). Take it to weigh the two terms separately; `dcl` has one
    temperature for both.

    Args:
        z0: first view of every example, raw projections `[B, d]`; B >= 2.
        z1: second view, in the same order.
        t: positive scalar; 1 / 2t takes the place of a temperature.
        weight: of the uniformity, U.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        The loss, a scalar.

    Raises:
        UserError: B is 1; for other errors see `jcl.losses`.
    """
    scalars = {"t": (t, "positive"), "weight": (weight, "finite")}
    check_views("alignment_uniformity", z0, z1, mesh, at_least=2, **scalars)
    views = x, y = unit_rows(z0), unit_rows(z1)
    of_rows = jnp.stack(map_rows(_log_means, views, views, t, mesh=mesh, block_size=block_size))
    return jnp.square(x - y).sum(axis=1).mean() + weight * logmeanexp(of_rows, axis=1).mean()


def _log_means(index, row, columns, t):
    def log_mean(x, xs):
        others = jnp.arange(len(xs)) != index
        return logmeanexp(-t * squared_distances(x, xs), where=others)

    return jax.tree.map(log_mean, row, columns)
