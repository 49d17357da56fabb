"""What an image is, on the device.

Every random change in this package is a pure function of a key and one image; `jax.vmap` makes it
batched. All randomness comes from the key, so a view depends on nothing but that. Values lie in
[0, 1] before and after, and the dtype is kept.
"""

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, UInt8

Image = Float[Array, "H W C"]
Key = PRNGKeyArray


def to_float(
    inputs: UInt8[Array, "*batch H W C"] | Float[Array, "*batch F"], dtype=jnp.float32
) -> Float[Array, "..."]:
    """Turns bytes 0...255 of images into floats 0...1; feature vectors keep their values."""
    if inputs.dtype != jnp.uint8:
        return inputs.astype(dtype)
    return inputs.astype(dtype) / jnp.asarray(255, dtype)


def examples_as_floats(examples: Mapping[str, Array], dtype=jnp.float32) -> dict[str, Array]:
    """What recipes and networks are given of examples.

    Args:
        examples: kind -> [B, ...], as data have them.
        dtype: of floats.

    Returns:
        Bytes with three axes or more an example are pixels, and become floats in [0, 1]. Floats
        become floats of that dtype. Everything else, such as token ids and masks, stays.
    """

    def convert(x):
        is_pixels = x.dtype == jnp.uint8 and x.ndim >= 4
        return to_float(x, dtype) if is_pixels or jnp.issubdtype(x.dtype, jnp.floating) else x

    return {kind: convert(x) for kind, x in examples.items()}
