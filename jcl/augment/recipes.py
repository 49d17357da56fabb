"""View recipes: which random changes make the two views of an example."""

from collections.abc import Callable

import jax
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from jcl.augment.image import (
    random_brightness_contrast,
    random_channel_mix,
    random_flip,
    random_grayscale,
    random_quarter_turn,
    random_resized_crop,
)
from jcl.errors import UserError

Views = Callable[[Shaped[PRNGKeyArray, " B"], Float[Array, "B H W C"]], Float[Array, "B 2 H W C"]]


def shapes(*, min_area: float = 0.7, channel_mix: float = 1.0, grayscale: float = 0.3) -> Views:
    """For the generated `shapes`: hides place, size, angle and colour, keeps the outline.

    Args:
        min_area: smallest share of the image that a crop covers, in (0, 1].
        channel_mix: share of the colours that is mixed at random, in [0, 1].
        grayscale: probability of losing all colour.
    """
    _check(min_area=min_area, channel_mix=channel_mix, grayscale=grayscale)

    def view(key, image):
        _check_colour("shapes", image)
        crop, turn, mix, gray = jax.random.split(key, 4)
        image = random_resized_crop(crop, image, area=(min_area, 1.0))
        image = random_quarter_turn(turn, image)
        image = random_channel_mix(mix, image, strength=channel_mix)
        return random_grayscale(gray, image, probability=grayscale)

    return two_views(view)


def crop_flip_light(
    *, min_area: float = 0.3, brightness: float = 0.4, contrast: float = 0.4
) -> Views:
    """For gray or colour photographs of upright things: crop, mirror, brightness and contrast.

    Args:
        min_area: smallest share of the image that a crop covers, in (0, 1].
        brightness: largest relative change of all values, in [0, 1].
        contrast: largest relative change of the distance to the mean, in [0, 1].
    """
    _check(min_area=min_area, brightness=brightness, contrast=contrast)

    def view(key, image):
        crop, flip, level = jax.random.split(key, 3)
        image = random_resized_crop(crop, image, area=(min_area, 1.0))
        image = random_flip(flip, image)
        return random_brightness_contrast(level, image, brightness=brightness, contrast=contrast)

    return two_views(view)


def two_views(view: Callable) -> Views:
    """Draws the same kind of view twice for each example of a batch."""

    def make(keys, images):
        pairs = jax.vmap(lambda key: jax.random.split(key, 2))(keys)
        return jax.vmap(lambda pair, image: jax.vmap(lambda key: view(key, image))(pair))(
            pairs, images
        )

    return make


def _check(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value <= 1 or (name == "min_area" and value == 0):
            raise UserError(f"views.{name}={value} is impossible: it lies between 0 and 1")


def _check_colour(name: str, image) -> None:
    if image.shape[-1] != 3:
        raise UserError(
            f"views.name={name!r} takes images with 3 channels, these have {image.shape[-1]}"
        )
