"""Scores of pairs, of a stand-in for a method whose towers are lookups."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from jcl.data import InMemorySource
from jcl.evaluation.pairs import score_pairs
from jcl.methods.base import Variables
from tests.tiny import tiny_config

VECTORS = np.random.RandomState(0).normal(size=(20, 6)).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Lookup:
    """The embedding of an image is at its first byte, that of a text at its first token."""

    towers: tuple = ("projection", "text/projection")

    needs: ClassVar = ("image", "text")
    init = embed = objective = after_update = staticmethod(lambda: None)  # not asked for

    def outputs(self, variables, inputs):
        table = variables.params
        image = jnp.round(inputs["image"][:, 0, 0, 0] * 255).astype(int)
        rows = (image, *((inputs["text"][:, 0],) if "text" in inputs else ()))
        return dict(zip(self.towers, (table[x] for x in rows), strict=False))


def source(image, text, **known):
    pixels = np.zeros((len(image), 2, 2, 3), np.uint8) + np.uint8(image)[:, None, None, None]
    text = np.int32(text)[:, None] * np.ones(3, np.int32)
    return InMemorySource({"image": pixels, "text": text, **known})


def scored(train, test, method=Lookup()):
    return score_pairs(tiny_config(), method, Variables(jnp.asarray(VECTORS), {}), train, test)


def test_images_and_texts_find_each_other():
    right = source(np.arange(12), np.arange(12))
    found = scored(right, right)
    assert set(found) == {"retrieval"}
    assert found["retrieval"]["image_to_text"] == {"r1": 1, "r5": 1, "r10": 1}
    # Pairs 0 and 1 have exchanged their texts.
    swapped = np.r_[1, 0, np.arange(2, 12)]
    assert scored(right, source(np.arange(12), swapped))["retrieval"]["text_to_image"]["r1"] == (
        10 / 12
    )


def test_captions_of_one_image_are_all_right_and_it_stands_once():
    images, captions = np.arange(12) // 2, np.arange(12) // 2
    twice = scored(*[source(images, captions, pair=images)] * 2)["retrieval"]
    assert twice["text_to_image"]["r1"] == twice["image_to_text"]["r1"] == 1
    # Rows that only look the same are each other's mistakes.
    assert scored(*[source(images, captions)] * 2)["retrieval"]["text_to_image"]["r1"] == 0


def test_planted_pairs_are_looked_for_among_the_training_pairs():
    right = source(np.arange(12), np.arange(12))
    planted = np.isin(np.arange(12), (3, 7, 8)).astype(np.int32)
    texts = np.where(planted, 12 + np.arange(12) % 4, np.arange(12))
    assert scored(source(np.arange(12), texts, planted=planted), right)["planted"] == {
        "recall": 1,
        "planted": 3,
    }
    clean = source(np.arange(12), texts, planted=0 * planted)
    assert "planted" not in scored(clean, right)


def test_planted_partners_are_images_of_one_tower():
    right, planted = source(np.arange(12), np.arange(12)), np.arange(12) % 4 == 0
    partner = np.where(planted, (np.arange(12) + 4) % 12, np.arange(12))
    arrays = {"image": right.arrays["image"], "partner": right.arrays["image"][partner]}
    pairs = InMemorySource({**arrays, "planted": planted.astype(np.int32)})
    one_tower = Lookup(("projection",))
    assert scored(pairs, pairs, one_tower) == {"planted": {"recall": 1, "planted": 3}}


def test_one_tower_or_examples_without_text_have_none():
    right = source(np.arange(12), np.arange(12))
    assert scored(right, right, Lookup(("projection",))) == {}
    images = InMemorySource({"image": right.arrays["image"]})
    assert scored(images, images) == {}
