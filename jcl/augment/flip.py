"""Changes that move whole pixels: mirroring and quarter turns."""

import jax
import jax.numpy as jnp

from jcl.augment.image import Image, Key


def random_flip(key: Key, image: Image) -> Image:
    """Mirrors left to right with probability 1/2."""
    return jnp.where(jax.random.bernoulli(key), image[:, ::-1], image)


def random_quarter_turn(key: Key, image: Image) -> Image:
    """Turns a square image by 0, 90, 180 or 270 degrees, each with probability 1/4."""
    turned = jnp.stack([jnp.rot90(image, turns) for turns in range(4)])
    return turned[jax.random.randint(key, (), 0, 4)]
