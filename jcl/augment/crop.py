"""Crops: the random crop of views, and the fixed crop of probes."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jcl.augment.image import Image, Key

CANDIDATES = 10  # boxes that are tried, as in TensorFlow's and torchvision's Inception crops


def random_resized_crop(
    key: Key,
    image: Image,
    *,
    area: tuple[float, float],
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
    size: int | None = None,
    method: str = "linear",
) -> Float[Array, "size_H size_W C"]:
    """Cuts out a random box and resizes it, antialiased.

    The box is the first of ten candidates that fits into the image, at a uniform position. If none
    fits, it is the largest box in the middle with an allowed aspect ratio. As in Pillow's
    `resize(box=...)`, corners are real numbers, and the filter reads pixels outside of the box.

    Args:
        key: for the box.
        image: in [0, 1].
        area: a candidate covers a share of the image that is uniform in this range.
        aspect: the width over the height of a candidate, in pixels, is log-uniform in this range.
        size: side of the square output in pixels; None keeps the image's height and width.
        method: "linear", or "cubic" (Keys with a = -0.5, Pillow's BICUBIC; clipped to [0, 1]).

    Source: Szegedy et al. 2015 (Inception), sec. 6; used by SimCLR (Chen et al. 2020), App. A.
    """
    height, width, channels = image.shape
    out_height, out_width = (height, width) if size is None else (size, size)
    corner, box = random_box(key, height, width, area=area, aspect=aspect, dtype=image.dtype)
    scale = jnp.asarray([out_height, out_width], image.dtype) / box
    # Under vmap this is two dense products an image; resize matrices of our own are not faster.
    # "high" is float32 on CPUs, nearly that on TPUs, and TF32 on GPUs, where values of [0, 1]
    # differ by a few thousandths at most, about a level of 8 bits.
    cropped = jax.image.scale_and_translate(
        image,
        (out_height, out_width, channels),
        (0, 1),
        scale,
        -corner * scale,
        method=method,
        antialias=True,
        precision="high",
    )
    return jnp.clip(cropped, 0, 1)


def random_box(
    key: Key,
    height: int,
    width: int,
    *,
    area: tuple[float, float],
    aspect: tuple[float, float],
    dtype=jnp.float32,
) -> tuple[Float[Array, "2"], Float[Array, "2"]]:
    """Draws the box of `random_resized_crop`.

    Returns:
        Its upper left corner (y, x) and its (height, width), in pixels.
    """
    area_key, aspect_key, place_key = jax.random.split(key, 3)
    full = jnp.asarray([height, width], dtype)
    pixels = height * width * jax.random.uniform(area_key, (CANDIDATES,), dtype, *area)
    low, high = jnp.log(jnp.asarray(aspect, dtype))
    ratios = jnp.exp(jax.random.uniform(aspect_key, (CANDIDATES,), dtype, low, high))
    candidates = jnp.stack([jnp.sqrt(pixels / ratios), jnp.sqrt(pixels * ratios)], -1)
    fits = (candidates <= full).all(-1)
    ratio = min(max(width / height, aspect[0]), aspect[1])
    middle = jnp.asarray([min(height, width / ratio), min(width, height * ratio)], dtype)
    box = jnp.where(fits.any(), candidates[fits.argmax()], middle)
    place = jnp.where(fits.any(), jax.random.uniform(place_key, (2,), dtype), 0.5)
    return place * (full - box), box


def evaluation_view(
    images: Float[Array, "N H W C"], size: int | None
) -> Float[Array, "N size_H size_W C"]:
    """The input of probes for images: their middle, without random changes.

    Args:
        images: in [0, 1].
        size: side in pixels of the square that is cut out of the middle. Images with a smaller side
            are first enlarged until their shorter side is `size` (cubic). None returns the images.
    """
    if size is None:
        return images
    count, height, width, channels = images.shape
    shorter = min(height, width)
    if shorter < size:
        height, width = round(height * size / shorter), round(width * size / shorter)
        images = jax.image.resize(images, (count, height, width, channels), "cubic").clip(0, 1)
    top, left = (height - size) // 2, (width - size) // 2
    return images[:, top : top + size, left : left + size]
