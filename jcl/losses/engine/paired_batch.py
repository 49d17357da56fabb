"""A batch of paired embeddings, made ready for the engine: what losses of two views begin with."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from jcl.losses.engine.embeddings import interleave_views, unit_rows_alike


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
    """The unit rows of both views as anchors, the example of each, the temperature in their dtype.

    The views of an example stand side by side, as `interleave_views` puts them.
    """
    z0, z1, temperature = unit_pairs(z0, z1, temperature)
    z = interleave_views(z0, z1)
    return z, jnp.arange(len(z)) // 2, temperature
