"""jcl's own recipes of views, and the simplest ones: shapes, crop_flip_light, crop_light, ...

Recipes for feature vectors are in `jcl.augment.vectors`.
"""

import jax
from jaxtyping import Array, Float

from jcl.augment.color import (
    adjust_brightness,
    adjust_contrast,
    random_channel_mix,
    random_factor,
    random_grayscale,
)
from jcl.augment.crop import evaluation_view, random_resized_crop
from jcl.augment.flip import random_flip, random_quarter_turn
from jcl.augment.image import Image, Key
from jcl.augment.views import (
    Views,
    check_colour,
    check_options,
    check_square,
    two_views,
)


def shapes(
    *,
    size: int | None = None,
    min_area: float = 0.7,
    channel_mix: float = 1.0,
    grayscale: float = 0.3,
) -> Views:
    """For the generated `shapes`: changes position, size, angle and colour, keeps the outline.

    Args:
        size: side of a view in pixels; None keeps the image's, which must be square.
        min_area: smallest share of the image that a crop covers, in (0, 1].
        channel_mix: share of the colours that is mixed at random, in [0, 1].
        grayscale: probability of losing all colour.
    """
    check_options(size=size, min_area=min_area, channel_mix=channel_mix, grayscale=grayscale)

    def view(key, image):
        area = (min_area, 1.0)
        return shapes_view(
            key, image, "shapes", size=size, area=area, channel_mix=channel_mix, grayscale=grayscale
        )

    return two_views(view, name="shapes")


def shapes_view(
    key: Key,
    image: Image,
    name: str,
    *,
    size: int | None,
    area: tuple[float, float],
    channel_mix: float,
    grayscale: float,
) -> Float[Array, "size_H size_W 3"]:
    """Makes one view of `shapes`.

    Args:
        key: for all random numbers.
        image: in [0, 1].
        name: of the recipe, for messages about images that do not fit.
        size: side of the view in pixels; None keeps the image's, which must be square.
        area: smallest and largest share of the image that the crop covers.
        channel_mix: share of the colours that is mixed at random, in [0, 1].
        grayscale: probability of losing all colour.
    """
    check_colour(name, image)
    crop, turn, mix, gray = jax.random.split(key, 4)
    image = random_resized_crop(crop, image, area=area, size=size)
    check_square(name, image)
    image = random_quarter_turn(turn, image)
    image = random_channel_mix(mix, image, strength=channel_mix)
    return random_grayscale(gray, image, probability=grayscale)


def crop_flip_light(
    *,
    size: int | None = None,
    min_area: float = 0.3,
    brightness: float = 0.4,
    contrast: float = 0.4,
) -> Views:
    """For gray or colour photographs of upright things: crop, mirror, contrast and brightness.

    Args:
        size: side of a view in pixels; None keeps the image's.
        min_area: smallest share of the image that a crop covers, in (0, 1].
        brightness: largest relative change of all values, in [0, 1].
        contrast: largest relative change of the distance to the mean luma, in [0, 1].
    """
    check_options(size=size, min_area=min_area, brightness=brightness, contrast=contrast)

    def view(key, image):
        return light_view(
            key, image, size=size, min_area=min_area, brightness=brightness, contrast=contrast
        )

    return two_views(view, name="crop_flip_light")


def light_view(
    key: Key,
    image: Image,
    *,
    size: int | None,
    min_area: float,
    brightness: float,
    contrast: float,
) -> Float[Array, "size_H size_W C"]:
    """Makes one view of `crop_flip_light`.

    Args:
        key: for all random numbers.
        image: in [0, 1].
        size: side of the view in pixels; None keeps the image's.
        min_area: smallest share of the image that the crop covers, in (0, 1].
        brightness: largest relative change of all values, in [0, 1].
        contrast: largest relative change of the distance to the mean luma, in [0, 1].
    """
    crop, flip, level = jax.random.split(key, 3)
    image = random_resized_crop(crop, image, area=(min_area, 1.0), size=size)
    image = random_flip(flip, image)
    return _random_levels(level, image, brightness, contrast)


def crop_light(
    *,
    size: int | None = None,
    min_area: float = 0.5,
    brightness: float = 0.4,
    contrast: float = 0.4,
) -> Views:
    """For gray or colour photographs whose orientation matters: crop, contrast and brightness.

    Crops and views are squares, and there is no mirroring, so angles do not change.

    Args:
        size: side of a view in pixels; None keeps the image's, which must be square.
        min_area: smallest share of the image that a crop covers, in (0, 1].
        brightness: largest relative change of all values, in [0, 1].
        contrast: largest relative change of the distance to the mean luma, in [0, 1].
    """
    check_options(size=size, min_area=min_area, brightness=brightness, contrast=contrast)

    def view(key, image):
        crop, level = jax.random.split(key)
        area = (min_area, 1.0)
        image = random_resized_crop(crop, image, area=area, aspect=(1.0, 1.0), size=size)
        check_square("crop_light", image)
        return _random_levels(level, image, brightness, contrast)

    return two_views(view, name="crop_light")


def weak(*, size: int | None = None, min_area: float = 0.2) -> Views:
    """Only crop and mirror.

    Args:
        size: side of a view in pixels; None keeps the image's.
        min_area: smallest share of the image that a crop covers, in (0, 1].
    """
    check_options(size=size, min_area=min_area)

    def view(key, image):
        crop, flip = jax.random.split(key)
        image = random_resized_crop(crop, image, area=(min_area, 1.0), size=size, method="cubic")
        return random_flip(flip, image)

    return two_views(view, name="weak")


def none(*, size: int | None = None) -> Views:
    """The control: every view is the unchanged image, as probes see it.

    Args:
        size: side of a view in pixels; None keeps the image's.
    """
    check_options(size=size)

    def view(key, image):
        del key
        return evaluation_view(image[None], size)[0]

    return two_views(view, name="none")


def _random_levels(key: Key, image: Image, brightness: float, contrast: float) -> Image:
    """Changes contrast, then brightness, by factors that are uniform around 1."""
    brightness_key, contrast_key = jax.random.split(key)
    image = adjust_contrast(image, random_factor(contrast_key, contrast, image.dtype))
    return adjust_brightness(image, random_factor(brightness_key, brightness, image.dtype))
