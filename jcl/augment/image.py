"""Images on the device.

Every random change in this package is a pure function of a key and one image; `jax.vmap` makes it
batched. All randomness comes from the key, so a view depends only on the key and the image. Values
are in [0, 1] before and after, and the dtype is kept.
"""

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, UInt8, UInt16

Image = Float[Array, "H W C"]
Key = PRNGKeyArray

_PIXELS = (jnp.uint8, jnp.uint16)


def to_float(
    inputs: UInt8[Array, "*batch H W C"] | UInt16[Array, "*batch H W C"] | Float[Array, "*batch F"],
    dtype=jnp.float32,
) -> Float[Array, "..."]:
    """Turns 0...255 of 8-bit images, and 0...65535 of 16-bit ones, into 0...1; floats stay."""
    if inputs.dtype not in _PIXELS:
        return inputs.astype(dtype)
    return inputs.astype(dtype) / jnp.asarray(jnp.iinfo(inputs.dtype).max, dtype)


def examples_as_floats(examples: Mapping[str, Array], dtype=jnp.float32) -> dict[str, Array]:
    """Examples in the form that recipes and networks get.

    Args:
        examples: kind -> [B, ...], as in the dataset.
        dtype: of floats.

    Returns:
        uint8 and uint16 with three axes or more an example are pixels, and become floats in [0, 1].
        Floats become floats of that dtype. Everything else, such as token ids and masks, stays.
    """

    def convert(x):
        is_pixels = x.dtype in _PIXELS and x.ndim >= 4
        return to_float(x, dtype) if is_pixels or jnp.issubdtype(x.dtype, jnp.floating) else x

    return {kind: convert(x) for kind, x in examples.items()}
