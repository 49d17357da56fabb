"""Views of images that come with a text."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped

from jcl.augment.crop import random_resized_crop
from jcl.augment.views import IMAGES, Views, check_options, taken_kind
from jcl.errors import UserError

TEXT = "text"
IMAGE_MASK = "image_mask"  # of several images of an example, which there are


def image_and_text(*, size: int | None = None, min_area: float = 0.9) -> Views:
    """One light crop of the image, and the text as it is: for methods of two towers.

    Where an example has several images or several texts, one of either is drawn at every visit, all
    with the same chance.

    No image is mirrored and none changes its colours, because texts speak of left and right and of
    colours.

    Args:
        size: side of a view in pixels; None keeps the image's.
        min_area: smallest share of the image that a crop covers, in (0, 1].

    Source: Radford et al. 2021 (CLIP), section 2.4, where crops are the only augmentation.
    """
    check_options(size=size, min_area=min_area)

    def view(key, images, image_there, texts):
        of_image, of_text = (jax.random.fold_in(key, i) for i in range(2))
        image = images[drawn_place(of_image, image_there)]
        place = drawn_place(of_text, texts["mask"].any(-1))
        crop = random_resized_crop(key, image, area=(min_area, 1.0), size=size, method="cubic")
        return {IMAGES: crop, TEXT: {kind: x[place] for kind, x in texts.items()}}

    def make(keys, examples):
        images, image_there = _several_images(examples)
        views = jax.vmap(view)(keys, images, image_there, _several_texts(examples))
        return jax.tree.map(lambda x: x[:, None], views)

    return make


def drawn_place(key: PRNGKeyArray, there: Bool[Array, " places"]) -> Int[Array, ""]:
    """One of the places that are there, at random; any where none is."""
    return jnp.argmax(jnp.where(there, jax.random.uniform(key, there.shape), -1.0))


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
    text = _several_texts(examples)
    if (captions := text["ids"].shape[1]) > 1:
        raise UserError(
            f"a text is integer token ids [B, L], and these examples have {captions} texts each"
        )
    return {kind: x[:, 0] for kind, x in text.items()}


def _several_images(
    examples: Mapping[str, Array],
) -> tuple[Float[Array, "B S H W C"], Bool[Array, "B S"]]:
    """The images of examples, and which there are; of one image, S is 1."""
    there = examples.get(IMAGE_MASK)
    if there is None:
        images = taken_kind("image_and_text", examples, IMAGES)[:, None]
        return images, jnp.ones(images.shape[:2], bool)
    return examples[IMAGES], there.astype(bool)


def _several_texts(
    examples: Mapping[str, Array],
) -> dict[str, Int[Array, "B K L"] | Bool[Array, "B K L"]]:
    """The texts of examples, `ids` and `mask`; of one text, K is 1."""
    ids = examples.get(TEXT)
    if ids is None or ids.ndim not in (2, 3) or not jnp.issubdtype(ids.dtype, jnp.integer):
        said = ", ".join(examples) if ids is None else f"{ids.dtype}{list(ids.shape)} as text"
        raise UserError(f"a text is integer token ids [B, L], and these examples have {said}")
    mask = examples.get("text_mask", jnp.ones(ids.shape, bool))
    if mask.shape != ids.shape:
        raise UserError(
            f"text_mask is {list(mask.shape)}, but it has the shape of text, {list(ids.shape)}"
        )
    text = {"ids": ids.astype(jnp.int32), "mask": mask.astype(bool)}
    return {kind: x[:, None] if x.ndim == 2 else x for kind, x in text.items()}
