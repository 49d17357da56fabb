"""From the vectors of a text's tokens to one vector."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def mean_token(x: Float[Array, "N L D"], mask: Bool[Array, "N L"]) -> Float[Array, "N D"]:
    """The mean of the tokens that the mask keeps; zero where it keeps none."""
    count = jnp.maximum(mask.sum(1, keepdims=True), 1).astype(x.dtype)
    return jnp.where(mask[..., None], x, 0).sum(1) / count


def first_token(x: Float[Array, "N L D"], mask: Bool[Array, "N L"]) -> Float[Array, "N D"]:
    """The token at the start; zero where the mask keeps none."""
    return jnp.where(mask.any(1)[:, None], x[:, 0], 0)


def last_token(x: Float[Array, "N L D"], mask: Bool[Array, "N L"]) -> Float[Array, "N D"]:
    """The last token that the mask keeps; zero where it keeps none."""
    last = mask.shape[1] - 1 - jnp.argmax(mask[:, ::-1], axis=1)
    found = jnp.take_along_axis(x, last[:, None, None], axis=1)[:, 0]
    return jnp.where(mask.any(1)[:, None], found, 0)
