"""Views of images that come with a text."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jcl.augment.crop import random_resized_crop
from jcl.augment.texts import delete
from jcl.augment.tokens import TEXT, several_texts
from jcl.augment.views import IMAGES, Views, check_options, taken_kind
from jcl.config.checks import check_decay

IMAGE_MASK = "image_mask"  # key that marks which of an example's images exist


def image_and_text(
    *,
    size: int | None = None,
    min_area: float = 0.9,
    deletion: float = 0.0,
    keep_ends: bool = True,
) -> Views:
    """One light crop of the image, and the text: for methods of two towers.

    If an example has several images or texts, one of each is drawn uniformly whenever the example
    is read.

    Images are not mirrored and their colours do not change, because texts mention left, right and
    colours.

    Args:
        size: side of a view in pixels; None keeps the image's.
        min_area: smallest share of the image that a crop covers, in (0, 1].
        deletion: probability of deleting each token of the text, in [0, 1); at least one token is
            kept.
        keep_ends: whether the first and the last token, which tokenizers add, are always kept.

    Source: Radford et al. 2021 (CLIP), section 2.4, where crops are the only augmentation.
    """
    check_options(size=size, min_area=min_area)
    check_decay("views.deletion", deletion)

    def view(key, images, image_there, texts):
        # The crop splits the key into three, which are `fold_in` of 0, 1 and 2.
        of_image, of_text, of_tokens = (jax.random.fold_in(key, i) for i in range(3, 6))
        image = images[drawn_place(of_image, image_there)]
        place = drawn_place(of_text, texts["mask"].any(-1))
        crop = random_resized_crop(key, image, area=(min_area, 1.0), size=size, method="cubic")
        text = {kind: x[place] for kind, x in texts.items()}
        if deletion:
            text = delete(of_tokens, text, deletion, keep_ends)
        return {IMAGES: crop, TEXT: text}

    def make(keys, examples):
        images, image_there = _several_images(examples)
        views = jax.vmap(view)(keys, images, image_there, several_texts(examples))
        return jax.tree.map(lambda x: x[:, None], views)

    return make


def drawn_place(key: PRNGKeyArray, there: Bool[Array, " places"]) -> Int[Array, ""]:
    """A random one of the places that exist; any place if none exists."""
    return jnp.argmax(jnp.where(there, jax.random.uniform(key, there.shape), -1.0))


def _several_images(
    examples: Mapping[str, Array],
) -> tuple[Float[Array, "B S H W C"], Bool[Array, "B S"]]:
    """The images of examples, and a mask of those that exist; S is 1 for a single image."""
    there = examples.get(IMAGE_MASK)
    if there is None:
        images = taken_kind("image_and_text", examples, IMAGES)[:, None]
        return images, jnp.ones(images.shape[:2], bool)
    return examples[IMAGES], there.astype(bool)
