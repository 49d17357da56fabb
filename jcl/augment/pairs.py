"""Views of images that come with a text."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Shaped

from jcl.augment.crop import random_resized_crop
from jcl.augment.views import IMAGES, Views, check_options, taken_kind
from jcl.errors import UserError

TEXT = "text"


def image_and_text(*, size: int | None = None, min_area: float = 0.9) -> Views:
    """One light crop of the image, and the text as it is: for methods of two towers.

    No image is mirrored and none changes its colours, because texts speak of left and right and of
    colours.

    Args:
        size: side of a view in pixels; None keeps the image's.
        min_area: smallest share of the image that a crop covers, in (0, 1].

    Source: Radford et al. 2021 (CLIP), section 2.4, where crops are the only augmentation.
    """
    check_options(size=size, min_area=min_area)

    def crop(key, image):
        area = (min_area, 1.0)
        return random_resized_crop(key, image, area=area, size=size, method="cubic")

    def make(keys, examples):
        images, text = taken_kind("image_and_text", examples, IMAGES), text_of(examples)
        views = {IMAGES: jax.vmap(crop)(keys, images), TEXT: text}
        return jax.tree.map(lambda x: x[:, None], views)

    return make


def text_of(
    examples: Mapping[str, Shaped[Array, "B ..."]],
) -> dict[str, Int[Array, "B L"] | Bool[Array, "B L"]]:
    """The text of examples as text encoders take it.

    Args:
        examples: a batch. `text` holds token ids [B, L], and `text_mask` [B, L] is zero or False
            where a text has ended; where there is no `text_mask`, all tokens count.

    Returns:
        `ids` int32 [B, L] and `mask` bool [B, L].

    Raises:
        UserError: examples have no text, or something that is no token ids under that name.
    """
    ids = examples.get(TEXT)
    if ids is None or ids.ndim != 2 or not jnp.issubdtype(ids.dtype, jnp.integer):
        said = ", ".join(examples) if ids is None else f"{ids.dtype}{list(ids.shape)} as text"
        raise UserError(f"a text is integer token ids [B, L], and these examples have {said}")
    mask = examples.get("text_mask", jnp.ones(ids.shape, bool))
    if mask.shape != ids.shape:
        raise UserError(
            f"text_mask is {list(mask.shape)}, but it has the shape of text, {list(ids.shape)}"
        )
    return {"ids": ids.astype(jnp.int32), "mask": mask.astype(bool)}
