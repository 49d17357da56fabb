"""Gaussian blur."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jcl.augment.image import Image, Key


def random_gaussian_blur(
    key: Key,
    image: Image,
    *,
    sigma: tuple[float, float] = (0.1, 2.0),
    probability: Float[Array, ""] | float,
) -> Image:
    """Blurs with `probability`; the standard deviation is uniform in `sigma`, in pixels.

    Source: Chen et al. 2020 (SimCLR), App. A.
    """
    sigma_key, apply_key = jax.random.split(key)
    deviation = jax.random.uniform(sigma_key, (), image.dtype, *sigma)
    # Without blur the matrices are the identity, which is cheaper than selecting an image.
    return _blur(image, deviation, jax.random.bernoulli(apply_key, probability))


def gaussian_blur(image: Image, sigma: Float[Array, ""] | float) -> Image:
    """Convolves with a Gaussian whose window is a tenth of the side, reflecting at the borders.

    The window is 2 (side // 20) + 1 pixels wide, 23 of 224 as in BYOL and 3 of 32 as in SimCLR's
    code, and at least 3. The pixels of the border are not repeated (SciPy's mode "mirror").

    Args:
        image: in [0, 1].
        sigma: standard deviation in pixels, positive.
    """
    return _blur(image, sigma, jnp.asarray(True))


def _blur(image: Image, sigma: Float[Array, ""] | float, applies: Bool[Array, ""]) -> Image:
    height, width, _ = image.shape
    # Two dense matrix products per image: as fast as sums of shifted images on CPUs, and faster on
    # accelerators. The precision is that of `jcl.augment.crop`.
    rows = _blur_matrix(height, sigma, applies, image.dtype)
    columns = _blur_matrix(width, sigma, applies, image.dtype)
    image = jnp.einsum("oh,hwc->owc", rows, image, precision="high")
    return jnp.einsum("pw,owc->opc", columns, image, precision="high").clip(0, 1)


def _blur_matrix(
    side: int, sigma: Float[Array, ""] | float, applies: Bool[Array, ""], dtype=jnp.float32
) -> Float[Array, "side side"]:
    """The banded matrix that blurs along one axis, its rows summing to 1, or the identity."""
    radius = max(1, side // 20)
    distance = jnp.arange(-radius, radius + 1, dtype=dtype)
    kernel = jax.nn.softmax(-0.5 * (distance / sigma) ** 2)
    identity = jnp.eye(side, dtype=dtype)
    reflected = jnp.pad(identity, ((radius, radius), (0, 0)), mode="reflect")
    band = sum(kernel[tap] * reflected[tap : tap + side] for tap in range(2 * radius + 1))
    return jnp.where(applies, band, identity)
