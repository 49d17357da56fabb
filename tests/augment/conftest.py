"""Pictures for the tests of augmentations."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest


@pytest.fixture(scope="session")
def picture():
    """A smooth 24x24 colour image, so that resampling has one right answer."""
    y, x = np.mgrid[0:24, 0:24] / 23
    return jnp.stack([x, y, 0.5 + 0.5 * np.sin(4 * x + 3 * y)], -1).astype(jnp.float32)


@pytest.fixture(scope="session")
def noise():
    """A 20x28 reddish image of random bytes, with black, gray and pure colours in its corner."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 28, 3), dtype=np.uint8)
    pixels[..., 2] //= 2
    pixels[0, :8] = 255 * np.array(list(itertools.product((0, 1), repeat=3)))
    pixels[1, :8] = np.arange(0, 256, 32)[:, None]
    pixels[2, :8, 1:] = pixels[2, :8, :1]  # two channels tie
    pixels[3, :8, :2] = pixels[3, :8, 2:]
    pixels[4, :8, ::2] = pixels[4, :8, :1]
    return pixels
