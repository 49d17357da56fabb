"""Two large views of an image and several small ones: the multi-crop of SwAV (Caron et al. 2020).

Small views are cheap and show a part of what a large view shows. Large views are the kind "image",
small views the kind "image_small".
"""

from jcl.augment.recipes import shapes_view
from jcl.augment.simclr import simclr_view
from jcl.augment.views import IMAGES, Drawing, Views, check_options, several_views
from jcl.config.checks import check_count, check_share
from jcl.errors import UserError

SMALL_IMAGES = "image_small"
LARGE_VIEWS = 2


def multi_crop(
    *,
    size: int | None = None,
    small_size: int = 96,
    small_crops: int = 6,
    min_area: float = 0.14,
    min_small_area: float = 0.05,
    strength: float = 1.0,
    grayscale: float = 0.2,
    blur: float = 0.5,
) -> Views:
    """For photographs: two large and some small crops; mirror, colour jitter, grayscale, blur.

    Each view is one of `simclr_imagenet`. Take `simclr_imagenet` for methods of exactly two views.
    SwAV's large views of ImageNet have `size=224`.

    Args:
        size: side of a large view and of probes' images in pixels; None keeps the image's.
        small_size: side of a small view in pixels.
        small_crops: number of small views of each image.
        min_area: smallest share of the image that a large crop covers, and largest share that a
            small crop covers, in (0, 1].
        min_small_area: smallest share of the image that a small crop covers, in (0, 1].
        strength: of the colour jitter, in [0, 1].
        grayscale: probability of losing all colour.
        blur: probability of a Gaussian blur.

    Source: Caron et al. 2020, "Unsupervised Learning of Visual Features by Contrasting Cluster
    Assignments", section 3.2; numbers of the code released with it. That code resizes bilinearly,
    here it is bicubic. Its blur has a window of 23 pixels, here of a tenth of a view's side.
    """
    check_options(size=size, min_area=min_area, strength=strength, grayscale=grayscale, blur=blur)
    _check_small(small_size, small_crops, min_area, min_small_area)

    def view_of(size, area):
        return lambda key, image: simclr_view(
            key, image, size=size, area=area, strength=strength, grayscale=grayscale, blur=blur
        )

    large = view_of(size, (min_area, 1.0))
    small = view_of(small_size, (min_small_area, min_area))
    return _large_and_small("multi_crop", large, small, small_crops)


def shapes_multi_crop(
    *,
    size: int | None = None,
    small_size: int = 16,
    small_crops: int = 4,
    min_area: float = 0.7,
    min_small_area: float = 0.35,
    channel_mix: float = 1.0,
    grayscale: float = 0.3,
) -> Views:
    """For the generated `shapes`: two large and some small views, each one of `shapes`.

    Args:
        size: side of a large view and of probes' images in pixels; None keeps the image's, which
            must be square.
        small_size: side of a small view in pixels.
        small_crops: number of small views of each image.
        min_area: smallest share of the image that a large crop covers, and largest share that a
            small crop covers, in (0, 1].
        min_small_area: smallest share of the image that a small crop covers, in (0, 1].
        channel_mix: share of the colours that is mixed at random, in [0, 1].
        grayscale: probability of losing all colour.
    """
    check_options(size=size, min_area=min_area, channel_mix=channel_mix, grayscale=grayscale)
    _check_small(small_size, small_crops, min_area, min_small_area)
    name = "shapes_multi_crop"

    def view_of(size, area):
        return lambda key, image: shapes_view(
            key, image, name, size=size, area=area, channel_mix=channel_mix, grayscale=grayscale
        )

    large = view_of(size, (min_area, 1.0))
    small = view_of(small_size, (min_small_area, min_area))
    return _large_and_small(name, large, small, small_crops)


def _large_and_small(name, large, small, small_crops) -> Views:
    drawings = {IMAGES: Drawing(large, LARGE_VIEWS), SMALL_IMAGES: Drawing(small, small_crops)}
    return several_views(drawings, name=name)


def _check_small(small_size, small_crops, min_area, min_small_area) -> None:
    check_count("views.small_size", small_size)
    check_count("views.small_crops", small_crops)
    check_share("views.min_small_area", min_small_area)
    if min_small_area > min_area:
        raise UserError(
            f"views.min_small_area={min_small_area} is impossible: it must be at most "
            f"views.min_area={min_area}, the largest area of a small crop"
        )
