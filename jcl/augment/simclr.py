"""The views of SimCLR (Chen et al. 2020)."""

import jax
from jaxtyping import Array, Float

from jcl.augment.blur import random_gaussian_blur
from jcl.augment.color import random_grayscale
from jcl.augment.crop import random_resized_crop
from jcl.augment.flip import random_flip
from jcl.augment.image import Image, Key
from jcl.augment.jitter import random_color_jitter
from jcl.augment.views import Views, check_options, two_views


def simclr_imagenet(
    *,
    size: int | None = None,
    min_area: float = 0.08,
    strength: float = 1.0,
    grayscale: float = 0.2,
    blur: float = 0.5,
) -> Views:
    """Crop, mirror, colour jitter, grayscale, blur, in this order.

    On images with one channel the changes of hue and saturation do nothing.

    Args:
        size: side of a view in pixels; None keeps the image's.
        min_area: smallest share of the image that a crop covers, in (0, 1].
        strength: of the colour jitter, in [0, 1].
        grayscale: probability of losing all colour.
        blur: probability of a Gaussian blur.

    Source: Chen et al. 2020, App. A.
    """
    check_options(size=size, min_area=min_area, strength=strength, grayscale=grayscale, blur=blur)

    def view(key, image):
        area = (min_area, 1.0)
        return simclr_view(
            key, image, size=size, area=area, strength=strength, grayscale=grayscale, blur=blur
        )

    return two_views(view, name="simclr_imagenet")


def simclr_cifar(
    *,
    size: int | None = None,
    min_area: float = 0.08,
    strength: float = 0.5,
    jitter: float = 0.8,
    grayscale: float = 0.2,
) -> Views:
    """For 32-pixel images: as for ImageNet, with half the strength of jitter and without blur.

    Args:
        size: side of a view in pixels; None keeps the image's.
        min_area: smallest share of the image that a crop covers, in (0, 1].
        strength: of the colour jitter, in [0, 1].
        jitter: probability of the colour jitter.
        grayscale: probability of losing all colour.

    Source: Chen et al. 2020, App. B.9.
    """
    check_options(
        size=size, min_area=min_area, strength=strength, jitter=jitter, grayscale=grayscale
    )
    area = (min_area, 1.0)
    return two_views(
        lambda key, image: crop_and_color(key, image, size, area, strength, grayscale, jitter),
        name="simclr_cifar",
    )


def simclr_view(
    key: Key,
    image: Image,
    *,
    size: int | None,
    area: tuple[float, float],
    strength: float,
    grayscale: float,
    blur: float,
) -> Float[Array, "size_H size_W C"]:
    """Makes one view of `simclr_imagenet`.

    Args:
        key: for all random numbers.
        image: in [0, 1].
        size: side of the view in pixels; None keeps the image's.
        area: smallest and largest share of the image that the crop covers.
        strength: of the colour jitter, in [0, 1].
        grayscale: probability of losing all colour.
        blur: probability of a Gaussian blur.
    """
    image_key, blur_key = jax.random.split(key)
    image = crop_and_color(image_key, image, size, area, strength, grayscale)
    return random_gaussian_blur(blur_key, image, probability=blur)


def crop_and_color(
    key: Key,
    image: Image,
    size: int | None,
    area: tuple[float, float],
    strength: float,
    grayscale: float,
    jitter: float = 0.8,
) -> Float[Array, "size_H size_W C"]:
    """Makes one view of `simclr_cifar`.

    The arguments are those of `simclr_view`, and the probability of the colour jitter.
    """
    crop, flip, color, gray = jax.random.split(key, 4)
    image = random_resized_crop(crop, image, area=area, size=size, method="cubic")
    image = random_flip(flip, image)
    image = random_color_jitter(
        color,
        image,
        brightness=0.8 * strength,
        contrast=0.8 * strength,
        saturation=0.8 * strength,
        hue=0.2 * strength,
        probability=jitter,
    )
    return random_grayscale(gray, image, probability=grayscale)
