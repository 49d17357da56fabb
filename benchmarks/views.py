"""Images of random bytes, and the views that a recipe makes of them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jcl.augment.image import examples_as_floats


def random_images(count: int, size: int) -> np.ndarray:
    """Random bytes: uint8 [count, size, size, 3]."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def compile_views(
    make_views: Callable, images: jax.Array, dtype: DTypeLike = jnp.float32
) -> Callable[[], jax.Array]:
    """The views of a fixed batch of bytes, from bytes to `dtype` as in the train step."""
    keys = jax.random.split(jax.random.key(0), len(images))
    views = jax.jit(
        lambda keys, images: make_views(keys, examples_as_floats({"image": images}, dtype))
    )
    return lambda: views(keys, images)
