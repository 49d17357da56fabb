"""The asymmetric pair of views of BYOL (Grill et al. 2020)."""

from collections.abc import Sequence

import jax
from jaxtyping import Array, Float

from jcl.augment.blur import random_gaussian_blur
from jcl.augment.color import random_grayscale, random_solarize
from jcl.augment.crop import random_resized_crop
from jcl.augment.flip import random_flip
from jcl.augment.image import Image, Key
from jcl.augment.jitter import random_color_jitter
from jcl.augment.views import Views, check_options, two_views

BLUR_AND_SOLARIZE = (1.0, 0.1), (0.0, 0.2)  # probabilities in view 0 and view 1


def byol(*, size: int | None = None, min_area: float = 0.08) -> Views:
    """Crop, mirror, colour jitter, grayscale, blur, solarise, in this order.

    View 0 is always blurred and never solarised, view 1 is blurred with probability 0.1 and
    solarised with 0.2. MoCo v3 uses the same pair with `min_area` 0.2. On images with one channel
    the changes of hue and saturation do nothing.

    Args:
        size: side of a view in pixels; None keeps the image's.
        min_area: smallest share of the image that a crop covers, in (0, 1].

    Source: Grill et al. 2020, App. B and Table 6; Chen et al. 2021 (MoCo v3).
    """
    check_options(size=size, min_area=min_area)

    def view(key, image, blur, solarize):
        crop, flip, *others = jax.random.split(key, 6)
        image = random_resized_crop(crop, image, area=(min_area, 1.0), size=size, method="cubic")
        return byol_colors(others, random_flip(flip, image), blur=blur, solarize=solarize)

    return two_views(view, *BLUR_AND_SOLARIZE, name="byol")


def byol_colors(
    keys: Sequence[Key],
    image: Image,
    *,
    blur: Float[Array, ""],
    solarize: Float[Array, ""],
) -> Image:
    """The changes of a view of `byol` after crop and mirror.

    Args:
        keys: four keys.
        image: in [0, 1].
        blur: probability of a Gaussian blur.
        solarize: probability of solarising.
    """
    jitter, gray, blur_key, solarize_key = keys
    image = random_color_jitter(
        jitter,
        image,
        brightness=0.4,
        contrast=0.4,
        saturation=0.2,
        hue=0.1,
        probability=0.8,
    )
    image = random_grayscale(gray, image, probability=0.2)
    image = random_gaussian_blur(blur_key, image, probability=blur)
    return random_solarize(solarize_key, image, probability=solarize)
