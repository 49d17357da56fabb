"""Changes that move whole pixels: mirroring and quarter turns."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from jcl.augment.image import Image, Key


def random_flip(key: Key, image: Image) -> Image:
    """Mirrors left to right with probability 1/2."""
    return mirrored(image, jax.random.bernoulli(key))


def mirrored(image: Image, flip: Bool[Array, ""]) -> Image:
    """The image, or its left-right mirror image if `flip` is True."""
    return jnp.where(flip, image[:, ::-1], image)


def random_quarter_turn(key: Key, image: Image) -> Image:
    """Rotates a square image by 0, 90, 180 or 270 degrees, each with probability 1/4."""
    return quarter_turned(image, jax.random.randint(key, (), 0, 4))


def quarter_turned(image: Image, turns: Int[Array, ""]) -> Image:
    """A square image after 0 to 3 counterclockwise quarter turns."""
    return jnp.stack([jnp.rot90(image, count) for count in range(4)])[turns]
