"""What an image is, on the device.

Every random change in this package is a pure function of a key and one image; `jax.vmap` makes it
batched. All randomness comes from the key, so a view depends on nothing but that. Values lie in
[0, 1] before and after, and the dtype is kept.
"""

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
