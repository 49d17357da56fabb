"""Random changes to one image, as pure functions of a key; `jax.vmap` makes them batched.

An image is float [H, W, C] with values in [0, 1]; every function returns the same shape, dtype and
range. All randomness comes from the key, so a view depends on nothing but that.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, UInt8

Image = Float[Array, "H W C"]
Key = PRNGKeyArray


def to_float(images: UInt8[Array, "*batch H W C"], dtype=jnp.float32) -> Float[Array, "..."]:
    """Turns bytes 0...255 into floats 0...1, shape unchanged."""
    return images.astype(dtype) / jnp.asarray(255, dtype)


def random_resized_crop(
    key: Key,
    image: Image,
    *,
    area: tuple[float, float],
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
) -> Image:
    """Cuts out a random box and resizes it to the size of the image (linear, antialiased).

    The box covers a share of the image drawn uniformly from `area`, with a log-uniform aspect
    ratio (width over height, in pixels) from `aspect`; a side that would not fit is clipped to the
    image. Source: Szegedy et al. 2015 (Inception), as used by SimCLR (Chen et al. 2020, App. A).
    """
    height, width, channels = image.shape
    dtype = image.dtype
    size_key, aspect_key, place_key = jax.random.split(key, 3)
    share = jax.random.uniform(size_key, (), dtype, *area)
    low, high = jnp.log(jnp.asarray(aspect, dtype))
    ratio = jnp.exp(jax.random.uniform(aspect_key, (), dtype, low, high))
    pixels = share * height * width
    box = jnp.stack([jnp.sqrt(pixels / ratio), jnp.sqrt(pixels * ratio)])
    full = jnp.asarray([height, width], dtype)
    box = jnp.minimum(box, full)
    corner = jax.random.uniform(place_key, (2,), dtype) * (full - box)
    scale = full / box
    cropped = jax.image.scale_and_translate(
        image,
        (height, width, channels),
        (0, 1),
        scale,
        -corner * scale,
        method="linear",
        antialias=True,
    )
    return jnp.clip(cropped, 0, 1)


def random_flip(key: Key, image: Image) -> Image:
    """Mirrors left to right with probability 1/2."""
    return jnp.where(jax.random.bernoulli(key), image[:, ::-1], image)


def random_quarter_turn(key: Key, image: Image) -> Image:
    """Turns a square image by 0, 90, 180 or 270 degrees, each with probability 1/4."""
    turned = jnp.stack([jnp.rot90(image, turns) for turns in range(4)])
    return turned[jax.random.randint(key, (), 0, 4)]


def random_grayscale(key: Key, image: Image, *, probability: float) -> Image:
    """Replaces all channels by the image's luma (ITU-R BT.601 weights) with `probability`."""
    weights = jnp.asarray([0.299, 0.587, 0.114], image.dtype)
    gray = jnp.broadcast_to((image @ weights)[..., None], image.shape)
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


def random_brightness_contrast(
    key: Key, image: Image, *, brightness: float, contrast: float
) -> Image:
    """Scales the distance to the image's mean, then all values, by factors from [1-s, 1+s].

    Contrast is scaled about the mean luma level of the image, as in Pillow's `ImageEnhance`.
    Values are clipped to [0, 1].
    """
    brightness_key, contrast_key = jax.random.split(key)
    dtype = image.dtype
    scale = jax.random.uniform(contrast_key, (), dtype, 1 - contrast, 1 + contrast)
    gain = jax.random.uniform(brightness_key, (), dtype, 1 - brightness, 1 + brightness)
    mean = image.mean()
    return jnp.clip(gain * jnp.clip(mean + scale * (image - mean), 0, 1), 0, 1)
