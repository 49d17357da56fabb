"""Views with their position in the image: boxes, flips and rotations, under "side"."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jcl.augment.byol import BLUR_AND_SOLARIZE, byol_colors
from jcl.augment.color import random_channel_mix, random_grayscale
from jcl.augment.crop import random_box, random_resized_crop
from jcl.augment.flip import mirrored, quarter_turned
from jcl.augment.image import Image, Key
from jcl.augment.views import (
    IMAGES,
    SIDE,
    Drawing,
    Views,
    check_colour,
    check_options,
    check_square,
    several_views,
)

_ASPECT = (3 / 4, 4 / 3)


def byol_boxes(*, size: int | None = None, min_area: float = 0.08) -> Views:
    """The views of `byol`, and their position in the image.

    "side" has `box` [B, 2, 4], the crop's upper left corner, height and width (y, x, h, w) as
    shares of the image's height and width; `flip` [B, 2], whether the crop was mirrored; and
    `turns` [B, 2], the number of counterclockwise quarter turns of the result, here 0.

    Args:
        size: side of a view in pixels; None keeps the image's.
        min_area: smallest share of the image that a crop covers, in (0, 1].
    """
    check_options(size=size, min_area=min_area)

    def view(key, image, blur, solarize):
        crop, flip, *others = jax.random.split(key, 6)
        image, box = _cropped(crop, image, min_area, size=size, method="cubic")
        flip = jax.random.bernoulli(flip)
        image = byol_colors(others, mirrored(image, flip), blur=blur, solarize=solarize)
        return image, {"box": box, "flip": flip, "turns": jnp.int32(0)}

    return _placed_views(view, *BLUR_AND_SOLARIZE, name="byol_boxes")


def shapes_boxes(
    *,
    size: int | None = None,
    min_area: float = 0.7,
    channel_mix: float = 1.0,
    grayscale: float = 0.3,
) -> Views:
    """The views of `shapes`, and their position in the image, as in `byol_boxes`.

    Args:
        size: side of a view in pixels; None keeps the image's, which must be square.
        min_area: smallest share of the image that a crop covers, in (0, 1].
        channel_mix: strength of the random mixing of channels, in [0, 1].
        grayscale: probability of losing all colour.
    """
    check_options(size=size, min_area=min_area, channel_mix=channel_mix, grayscale=grayscale)

    def view(key, image):
        check_colour("shapes_boxes", image)
        crop, turn, mix, gray = jax.random.split(key, 4)
        image, box = _cropped(crop, image, min_area, size=size)
        check_square("shapes_boxes", image)
        turns = jax.random.randint(turn, (), 0, 4)
        image = random_channel_mix(mix, quarter_turned(image, turns), strength=channel_mix)
        image = random_grayscale(gray, image, probability=grayscale)
        return image, {"box": box, "flip": jnp.bool_(False), "turns": turns}

    return _placed_views(view, name="shapes_boxes")


def cell_places(
    box: Float[Array, "*views 4"],
    flip: Bool[Array, "*views"],
    turns: Int[Array, "*views"],
    height: int,
    width: int,
) -> tuple[Float[Array, "*views cells 2"], Float[Array, "*views"]]:
    """The positions, in the image, of the cells of views' feature maps.

    Args:
        box: of each view, as in `byol_boxes`.
        flip: of each view, as in `byol_boxes`.
        turns: of each view, as in `byol_boxes`.
        height: of the maps, in cells.
        width: of the maps, in cells.

    Returns:
        The cells' centres (y, x), row by row, and the diagonal of one cell, both in a unit square
        that the image fills.
    """
    y, x = (jnp.arange(height) + 0.5) / height, (jnp.arange(width) + 0.5) / width
    point = jnp.stack(jnp.meshgrid(y, x, indexing="ij"), -1).astype(box.dtype).reshape(-1, 2)
    unturned = [point]
    for _ in range(3):  # a quarter turn moves the point (x, 1 - y) to (y, x)
        point = jnp.stack([point[:, 1], 1 - point[:, 0]], -1)
        unturned.append(point)
    y, x = jnp.moveaxis(jnp.stack(unturned)[turns], -1, 0)
    x = jnp.where(flip[..., None], 1 - x, x)
    corner, extent = box[..., None, :2], box[..., None, 2:]
    centres = corner + extent * jnp.stack([y, x], -1)
    counts = jnp.asarray([[height, width], [width, height]], box.dtype)[turns % 2]
    return centres, jnp.linalg.norm(box[..., 2:] / counts, axis=-1)


def _cropped(
    key: Key, image: Image, min_area: float, *, size: int | None, method: str = "linear"
) -> tuple[Float[Array, "size_H size_W C"], Float[Array, "4"]]:
    """A random crop, and its box as a share of the image."""
    height, width, _ = image.shape
    options = {"area": (min_area, 1.0), "aspect": _ASPECT}
    # The crop draws the same box from the same key.
    corner, box = random_box(key, height, width, dtype=image.dtype, **options)
    full = jnp.asarray([height, width], image.dtype)
    cropped = random_resized_crop(key, image, size=size, method=method, **options)
    return cropped, jnp.concatenate([corner / full, box / full])


def _placed_views(view: Callable, *numbers: Sequence[float], name: str) -> Views:
    """Two views, each with its position."""
    make = several_views({IMAGES: Drawing(view, 2, numbers)}, name=name)

    def placed(keys, examples):
        images, places = make(keys, examples)[IMAGES]
        return {IMAGES: images, SIDE: places}

    return placed
