"""Prepares a batch of paired embeddings for the engine: the first step of losses of two views."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from jcl.losses.engine.embeddings import interleave_views, unit_rows_alike
from jcl.losses.engine.unrounded import Unrounded, unrounded


def unit_pairs(
    x: Float[Array, "B d"],
    y: Float[Array, "B d"],
    temperature: Real[ArrayLike, ""],
) -> tuple[Float[Array, "B d"], Float[Array, "B d"], Float[Array, ""]]:
    """Unit rows of both embeddings of every example, and the temperature, in one dtype."""
    x, y = unit_rows_alike(x, y)
    return x, y, jnp.asarray(temperature, x.dtype)


def anchors_of_views(
    z0: Float[Array, "B d"],
    z1: Float[Array, "B d"],
    temperature: Real[ArrayLike, ""],
) -> tuple[Float[Array, "2*B d"], Int[Array, " 2*B"], Float[Array, ""]]:
    """Unit rows of both views as anchors, the example of each, and the temperature in their dtype.

    The two views of an example are neighbouring rows, as in `interleave_views`.
    """
    z0, z1, temperature = unit_pairs(z0, z1, temperature)
    z = interleave_views(z0, z1)
    return z, jnp.arange(len(z)) // 2, temperature


def unrounded_pairs(
    x: Float[Array, "B d"], y: Float[Array, "B d"]
) -> tuple[Unrounded, Unrounded] | tuple[None, None]:
    """`unrounded` of both arrays; None if one of them is not bfloat16."""
    exact = unrounded(x), unrounded(y)
    return exact if None not in exact else (None, None)


def unrounded_anchors(z0: Float[Array, "B d"], z1: Float[Array, "B d"]) -> Unrounded | None:
    """`unrounded` of the anchors of `anchors_of_views`; None if a view is not bfloat16."""
    exact = unrounded_pairs(z0, z1)
    if None in exact:
        return None
    (rows0, scale0), (rows1, scale1) = exact
    return Unrounded(interleave_views(rows0, rows1), jnp.stack([scale0, scale1], axis=1).ravel())


def mean_over_anchors(
    losses: Float[Array, " anchors"], weights: Float[Array, " B"] | None
) -> Float[Array, ""]:
    """The mean of the anchors' losses, each times the weight of its example.

    Args:
        losses: of all anchors; the anchors of an example are neighbours.
        weights: of every example; None for 1 each. They get no gradient.
    """
    if weights is None:
        return jnp.mean(losses)
    weights = jax.lax.stop_gradient(jnp.asarray(weights, losses.dtype))
    return jnp.mean(jnp.repeat(weights, len(losses) // len(weights)) * losses)
