"""Pairs of images of which one in five lost its shape, and how good each pair is."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jcl.augment.partners import PARTNER
from jcl.augment.recipes import shapes_view
from jcl.augment.views import IMAGES, Views, check_options, taken_kind
from jcl.data import InMemorySource
from jcl.data.draws import random_words, uniform
from jcl.data.sources.textured import make_textured

_HIDDEN = 0.2


def hidden_partners(
    split: str, *, train_examples: int = 10_000, test_examples: int = 2_000
) -> InMemorySource:
    """Images of `textured` with a `partner`, the same image or, in a fifth, its ground alone.

    `quality` is the overlap of the masks of both, intersection over union: 1, or 0 where the shape
    is hidden. All test pairs are good.

    Args:
        split: "train" or "test".
        train_examples: number of training examples to generate.
        test_examples: number of test examples to generate.
    """
    examples = {"train": train_examples, "test": test_examples}[split]
    source = make_textured(split, examples, background_share=0.0)
    # The same draws without a shape.
    ground = make_textured(split, examples, background_share=1.0).arrays["image"]
    hidden = uniform(random_words("hidden_partners", split, 0, stop=examples)[:, 0]) < _HIDDEN
    hidden &= split == "train"
    image = source.arrays["image"]
    pairs = {
        PARTNER: np.where(hidden[:, None, None, None], ground, image),
        "quality": (~hidden).astype(np.float32),
    }
    return dataclasses.replace(source, arrays={**source.arrays, **pairs})


def shapes_partners(
    *, min_area: float = 0.7, channel_mix: float = 1.0, grayscale: float = 0.3
) -> Views:
    """One view of an image and one of its partner, each drawn as `shapes` draws its.

    Args:
        min_area: smallest share of the image that a crop covers, in (0, 1].
        channel_mix: share of the colours that is mixed at random, in [0, 1].
        grayscale: probability of losing all colour.
    """
    name = "shapes_partners"
    check_options(min_area=min_area, channel_mix=channel_mix, grayscale=grayscale)

    def view(key, image):
        area = (min_area, 1.0)
        return shapes_view(
            key, image, name, size=None, area=area, channel_mix=channel_mix, grayscale=grayscale
        )

    def of_pair(key, pair):
        return jax.vmap(view)(jax.random.split(key, 2), pair)

    def make(keys, examples):
        pairs = jnp.stack([taken_kind(name, examples, IMAGES), examples[PARTNER]], axis=1)
        return {IMAGES: jax.vmap(of_pair)(keys, pairs)}

    return make
