"""Scores of pairs, of a stand-in for a method whose towers are lookups."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import pytest

from jcl.data import InMemorySource
from jcl.evaluation.pairs import embed_pairs, score_planted, score_retrieval
from jcl.methods.base import Variables
from jcl.probes.unit import unit
from tests.tiny import tiny_config

VECTORS = np.random.RandomState(0).normal(size=(20, 6)).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Lookup:
    """The embedding of an image is at its first byte, that of a text at its first token."""

    towers: tuple = ("projection", "text/projection")

    needs: ClassVar = ("image", "text")
    init = embed = objective = after_update = staticmethod(lambda: None)  # not asked for

    def outputs(self, variables, inputs):
        image, text = self.towers[0], self.towers[-1]
        found = {}
        if "text" in inputs and len(self.towers) > 1:
            found[text] = variables.params[inputs["text"][:, 0]]
        if "image" in inputs:
            first = jnp.round(inputs["image"][:, 0, 0, 0] * 255).astype(int)
            found[image] = variables.params[first]
        return found


def source(image, text, **known):
    pixels = np.zeros((len(image), 2, 2, 3), np.uint8) + np.uint8(image)[:, None, None, None]
    text = np.int32(text)[:, None] * np.ones(3, np.int32)
    return InMemorySource({"image": pixels, "text": text, **known})


def given(method=Lookup()):
    return tiny_config(), method, Variables(jnp.asarray(VECTORS), {})


def retrieved(test):
    return score_retrieval(embed_pairs(*given(), test))


def planted_of(train, method=Lookup()):
    return score_planted(*given(method), train)


def test_images_and_texts_find_each_other():
    found = retrieved(source(np.arange(12), np.arange(12)))
    assert set(found) == {"image_to_text", "text_to_image"}
    assert found["image_to_text"] == {"r1": 1, "r5": 1, "r10": 1}
    # Pairs 0 and 1 have exchanged their texts.
    swapped = np.r_[1, 0, np.arange(2, 12)]
    assert retrieved(source(np.arange(12), swapped))["text_to_image"]["r1"] == 10 / 12


def test_captions_of_one_image_are_all_right_and_it_stands_once():
    images, captions = np.arange(12) // 2, np.arange(12) // 2
    twice = retrieved(source(images, captions, pair=images))
    assert twice["text_to_image"]["r1"] == twice["image_to_text"]["r1"] == 1
    # Rows that only look the same are each other's mistakes.
    assert retrieved(source(images, captions))["text_to_image"]["r1"] == 0


def test_several_captions_of_an_example_are_several_texts():
    captions = np.stack([np.arange(6), 6 + np.arange(6), np.zeros(6)], axis=1).astype(int)
    test = source(np.arange(6), np.arange(6))
    text = np.repeat(captions[..., None], 3, axis=2).astype(np.int32)
    mask = np.ones(text.shape, bool)
    mask[:, 2] = False  # the third is not there
    mask[4:, 1] = False
    arrays = {**test.arrays, "text": text, "text_mask": mask}
    pairs = embed_pairs(*given(), InMemorySource(arrays))
    assert pairs.texts.known["row"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 5]
    found = score_retrieval(pairs)
    cosines = unit(VECTORS)
    flat = np.r_[0, 6, 1, 7, 2, 8, 3, 9, 4, 5]
    nearest = np.argmax(cosines[flat] @ cosines[:6].T, axis=1)
    assert found["text_to_image"]["r1"] == np.mean(nearest == pairs.texts.known["row"])
    assert 0.5 < found["text_to_image"]["r1"] < 1
    assert found["image_to_text"]["r1"] == 1


def test_texts_look_for_images_of_one_style_and_images_for_those_of_another():
    """Three styles, of which the last draws four of six symbols."""
    values = np.stack([np.arange(6), 6 + np.arange(6), 12 + np.arange(6)], axis=1)
    there = np.ones((6, 3), bool)
    there[[1, 3], 2] = False
    images = np.zeros((6, 3, 2, 2, 3), np.uint8) + np.uint8(values)[..., None, None, None]
    arrays = {**source(np.arange(6), np.arange(6)).arrays, "image": images, "image_mask": there}
    found = retrieved(InMemorySource(arrays))
    cosines = unit(VECTORS) @ unit(VECTORS).T

    def recall(queries, of_style):
        rows = np.flatnonzero(there[:, of_style])
        symbols, vectors = queries
        nearest = rows[np.argmax(cosines[vectors][:, values[rows, of_style]], axis=1)]
        return np.mean((nearest == symbols)[np.isin(symbols, rows)])

    texts = np.arange(6), np.arange(6)
    expected = np.mean([recall(texts, style) for style in range(3)])
    assert found["text_to_image"]["r1"] == pytest.approx(expected)
    of_styles = [(np.flatnonzero(there[:, s]), values[there[:, s], s]) for s in range(3)]
    across = [recall(of_styles[a], b) for a in range(3) for b in range(3) if a != b]
    assert found["image_to_image"]["r1"] == pytest.approx(np.mean(across))
    drawn = values[there]
    nearest = np.argmax(cosines[drawn][:, :6], axis=1)
    assert found["image_to_text"]["r1"] == np.mean(nearest == np.nonzero(there)[0])


def test_planted_pairs_are_looked_for_among_the_training_pairs():
    planted = np.isin(np.arange(12), (3, 7, 8)).astype(np.int32)
    texts = np.where(planted, 12 + np.arange(12) % 4, np.arange(12))
    assert planted_of(source(np.arange(12), texts, planted=planted)) == {"recall": 1, "planted": 3}
    assert planted_of(source(np.arange(12), texts, planted=0 * planted)) is None


def test_planted_partners_are_images_of_one_tower():
    right, planted = source(np.arange(12), np.arange(12)), np.arange(12) % 4 == 0
    partner = np.where(planted, (np.arange(12) + 4) % 12, np.arange(12))
    arrays = {"image": right.arrays["image"], "partner": right.arrays["image"][partner]}
    pairs = InMemorySource({**arrays, "planted": planted.astype(np.int32)})
    one_tower = Lookup(("projection",))
    assert planted_of(pairs, one_tower) == {"recall": 1, "planted": 3}
    assert embed_pairs(*given(one_tower), pairs) is None


def test_one_tower_or_examples_without_text_have_none():
    right = source(np.arange(12), np.arange(12))
    one_tower = Lookup(("projection",))
    images = InMemorySource({"image": right.arrays["image"]})
    for method, test in ((one_tower, right), (Lookup(), images)):
        assert embed_pairs(*given(method), test) is None
        assert planted_of(test, method) is None
