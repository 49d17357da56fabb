"""Changes of colour that act on every pixel in the same way.

`adjust_*` have the definitions of Pillow's `ImageEnhance` and of torchvision, because jcl is
compared with numbers from PyTorch. SimCLR's TensorFlow code differs: its contrast scales about the
mean of each channel, and its saturation is that of HSV. Luma is that of ITU-R BT.601; the luma of
an image with one channel is the image.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jcl.augment.image import Image, Key


def luma(image: Image) -> Float[Array, "H W 1"]:
    """Returns 0.299 R + 0.587 G + 0.114 B, or the mean if there are not three channels."""
    return luma_of(jnp.split(image, image.shape[-1], -1))


def luma_of(channels: Sequence[Float[Array, "..."]]) -> Float[Array, "..."]:
    """The luma of an image whose channels are separate arrays."""
    if len(channels) != 3:
        return sum(channels) / len(channels)
    red, green, blue = channels
    return 0.299 * red + 0.587 * green + 0.114 * blue


def adjust_brightness(image: Image, factor: Float[Array, ""] | float) -> Image:
    """Blends with black: factor 0 is black, 1 the image; clipped to [0, 1]."""
    return jnp.clip(factor * image, 0, 1)


def adjust_contrast(image: Image, factor: Float[Array, ""] | float) -> Image:
    """Blends with the image's mean luma: factor 0 is that gray, 1 the image; clipped to [0, 1]."""
    mean = luma(image).mean()
    return jnp.clip(mean + factor * (image - mean), 0, 1)


def adjust_saturation(image: Image, factor: Float[Array, ""] | float) -> Image:
    """Blends with each pixel's luma: factor 0 is gray, 1 the image; clipped to [0, 1]."""
    gray = luma(image)
    return jnp.clip(gray + factor * (image - gray), 0, 1)


def adjust_hue(image: Image, shift: Float[Array, ""] | float) -> Image:
    """Rotates the hue of HSV by `shift` turns; value and saturation do not change.

    Images without three channels have no hue and are returned unchanged.
    """
    if image.shape[-1] != 3:
        return image
    return jnp.stack(turn_hue(image[..., 0], image[..., 1], image[..., 2], shift), -1)


def turn_hue(
    red: Float[Array, "..."],
    green: Float[Array, "..."],
    blue: Float[Array, "..."],
    shift: Float[Array, ""] | float,
) -> list[Float[Array, "..."]]:
    """`adjust_hue` of an image whose channels are separate arrays."""
    value = jnp.maximum(jnp.maximum(red, green), blue)
    low = jnp.minimum(jnp.minimum(red, green), blue)
    chroma = value - low
    inverse = 1 / jnp.where(chroma > 0, chroma, 1)
    # The channels are compared with each other, not with `value`: a compiled program may compute
    # `value` a second time and round it differently, so that no channel equals it.
    hue = jnp.where(  # in sixths of a turn
        (red >= green) & (red >= blue),
        (green - blue) * inverse,
        jnp.where(green >= blue, 2 + (blue - red) * inverse, 4 + (red - green) * inverse),
    )

    def channel(centre):
        distance = hue + 6 * shift - centre
        distance = jnp.abs(distance - 6 * jnp.round(distance / 6))  # around the circle, 0...3
        return low + chroma * jnp.clip(2 - distance, 0, 1)

    return [jnp.clip(channel(centre), 0, 1) for centre in (0, 2, 4)]


def solarize(image: Image, threshold: float = 0.5) -> Image:
    """Inverts the values from `threshold` on."""
    return jnp.where(image < threshold, image, 1 - image)


def random_solarize(
    key: Key, image: Image, *, probability: Float[Array, ""] | float, threshold: float = 0.5
) -> Image:
    """Inverts the values from `threshold` on with `probability`.

    Source: Grill et al. 2020 (BYOL), App. B.
    """
    return jnp.where(jax.random.bernoulli(key, probability), solarize(image, threshold), image)


def random_factor(key: Key, strength: float, dtype=jnp.float32) -> Float[Array, ""]:
    """Draws a factor for `adjust_*`, uniform in [1 - strength, 1 + strength], never negative."""
    return jax.random.uniform(key, (), dtype, max(0.0, 1 - strength), 1 + strength)


def random_grayscale(key: Key, image: Image, *, probability: float) -> Image:
    """Replaces all channels by the image's luma with `probability`."""
    gray = jnp.broadcast_to(luma(image), image.shape)
    return jnp.where(jax.random.bernoulli(key, probability), gray, image)


def random_channel_mix(key: Key, image: Image, *, strength: float) -> Image:
    """Mixes the channels by a random matrix, which may also swap light and dark.

    With x the distances of the channels to 1/2, each new channel is (1 - strength) x_c + strength
    w.x for a random direction w with |w|_1 = 1, so the result stays in [0, 1]. `strength` 0
    returns the image.
    """
    channels = image.shape[-1]
    weights = jax.random.normal(key, (channels, channels), image.dtype)
    weights /= jnp.abs(weights).sum(1, keepdims=True)
    matrix = (1 - strength) * jnp.eye(channels, dtype=image.dtype) + strength * weights
    return 0.5 + (image - 0.5) @ matrix.T
