"""Views of pairs of images."""

import jax
import jax.numpy as jnp

from jcl.augment.recipes import light_view
from jcl.augment.views import IMAGES, Views, check_options, taken_kind
from jcl.errors import UserError

PARTNER = "partner"


def partners(
    *,
    size: int | None = None,
    min_area: float = 0.3,
    brightness: float = 0.4,
    contrast: float = 0.4,
) -> Views:
    """One view of an image and one of its partner, each as in `crop_flip_light`.

    Take this for data with given pairs, such as pairs of which some are planted to be wrong
    (docs/variants.md). If the partner is the image itself, this is `crop_flip_light`.

    Args:
        size: side of a view in pixels; None keeps the image's.
        min_area: smallest share of the image that a crop covers, in (0, 1].
        brightness: largest relative change of all values, in [0, 1].
        contrast: largest relative change of the distance to the mean luma, in [0, 1].

    The recipe raises UserError if examples have no partner of the images' shape and dtype.
    """
    check_options(size=size, min_area=min_area, brightness=brightness, contrast=contrast)

    def view(key, image):
        return light_view(
            key, image, size=size, min_area=min_area, brightness=brightness, contrast=contrast
        )

    def of_pair(key, pair):
        return jax.vmap(view)(jax.random.split(key, 2), pair)

    def make(keys, examples):
        images, others = taken_kind("partners", examples, IMAGES), examples.get(PARTNER)
        kinds = [None if x is None else f"{x.dtype}{list(x.shape)}" for x in (images, others)]
        if kinds[0] != kinds[1]:
            raise UserError(
                f"views.name='partners' takes a partner of the images' shape and dtype, "
                f"{kinds[0]}, but these examples have {kinds[1] or 'none'}"
            )
        return {IMAGES: jax.vmap(of_pair)(keys, jnp.stack([images, others], axis=1))}

    return make
