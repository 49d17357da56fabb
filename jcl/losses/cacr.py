"""CACR, contrastive attraction of far positives and repulsion of near negatives.

Inputs: V views of every example
Formula: mean_q [alpha sum_{p in P(q)} a_p c(z_q, z_p) - beta sum_{n in N(q)} b_n c(z_q, z_n)], c
  the squared distance, a = softmax(t_positive c), b = softmax(-t_negative c)
Cost: 8 M^2 d, M = BV
Neighbours: Pushes negatives as `dcl` with the temperature 1 / (2 t_negative) does, up to a factor,
  and pulls far positives more.
"""

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from jcl.losses.engine.embeddings import unit_rows
from jcl.losses.engine.many_views import check_many_views, side_by_side
from jcl.losses.engine.pairwise import inner_products, map_rows


def cacr(
    z: Float[Array, "B V d"],
    *,
    t_positive: Real[ArrayLike, ""] = 1.0,
    t_negative: Real[ArrayLike, ""] = 2.0,
    alpha: Real[ArrayLike, ""] = 1.0,
    beta: Real[ArrayLike, ""] = 1.0,
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Weighted distances to positives, less weighted distances to negatives.

    Every view is a query in turn. With `z_q` its unit row, `P(q)` the other views of its example,
    `N(q)` all views of all other examples, and `c` the squared distance::

        l_q = alpha sum_{p in P(q)} a_p c(z_q, z_p) - beta sum_{n in N(q)} b_n c(z_q, z_n)
        a = softmax_P(q) (+t_positive c),   b = softmax_N(q) (-t_negative c)

    So far positives attract and near negatives repel more than others do. The weights a and b are
    under stop-gradient, as in the authors' code for ImageNet and unlike their code for small
    images. Gradients flow through queries, positives and negatives. No gradient reaches
    `t_positive` and `t_negative`.

    Take `cacr` for about four views. With two views a query has one positive, whose weight is 1.
    The weights b are the gradient of a log-sum over the negatives, as in `dcl` with
    `temperature = 1 / (2 t_negative)`. So CACR pushes negatives as DCL does, up to a factor.

    Args:
        z: raw projections `[B, V, d]` of V >= 2 views; B >= 2.
        t_positive: how much more far positives weigh; 0 for the mean distance.
        t_negative: how much more near negatives weigh; 0 for the mean distance.
        alpha: weight of the attraction.
        beta: weight of the repulsion.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`; an anchor is an example with all of its views.

    Returns:
        Mean of `l_q` over the BV queries.

    Raises:
        UserError: V is 1, or B is 1, so there are no negatives; else see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import cacr
        >>> z = jnp.array([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [-1.0, 0.0]]])
        >>> # Squared, positives are 0, 0, 2, 2 away, negatives on average 3, 3, 2, 4.
        >>> round(float(cacr(z, t_positive=0, t_negative=0)), 4)
        -2.0

    References:
        Zheng et al., "Contrastive Attraction and Contrastive Repulsion for Representation
        Learning", TMLR 2023 (https://arxiv.org/abs/2105.03746).
    """
    t = {"t_positive": (t_positive, "non-negative"), "t_negative": (t_negative, "non-negative")}
    weights = {"alpha": (alpha, "finite"), "beta": (beta, "finite")}
    check_many_views("cacr", z, mesh, at_least=2, **t, **weights)
    z = unit_rows(z)
    t = jnp.asarray(t_positive, z.dtype), jnp.asarray(t_negative, z.dtype)
    attraction, repulsion = map_rows(_weighted_distances, z, z, t, mesh=mesh, block_size=block_size)
    alpha, beta = jnp.asarray(alpha, z.dtype), jnp.asarray(beta, z.dtype)
    return alpha * jnp.mean(attraction) - beta * jnp.mean(repulsion)


def _weighted_distances(
    index: Int[Array, ""],
    queries: Float[Array, "V d"],
    columns: Float[Array, "B V d"],
    t: tuple[Float[Array, ""], Float[Array, ""]],
) -> tuple[Float[Array, " V"], Float[Array, " V"]]:
    """Weighted sums of the squared distances of an example's views to positives and negatives."""
    t_positive, t_negative = t

    def weighted(squared, t, included):
        exponents = jnp.where(included, t * squared, -jnp.inf)
        return jnp.sum(stop_gradient(jax.nn.softmax(exponents)) * squared, axis=1)

    to_views = jnp.sum(jnp.square(queries[:, None] - queries), axis=2)
    is_positive = ~jnp.eye(len(queries), dtype=bool)
    # Distances do not depend on the origin, and small numbers have smaller rounding errors.
    origin = stop_gradient(jnp.mean(columns, axis=(0, 1)))
    queries, keys = queries - origin, side_by_side(columns) - origin
    products = jax.vmap(inner_products, in_axes=(0, None))(queries, keys)
    sizes, sizes_of_keys = (jnp.sum(jnp.square(x), axis=1) for x in (queries, keys))
    to_keys = sizes[:, None] + sizes_of_keys - 2 * products
    is_negative = jnp.repeat(jnp.arange(len(columns)) != index, len(queries))
    return (
        weighted(to_views, t_positive, is_positive),
        weighted(to_keys, -t_negative, is_negative),
    )
