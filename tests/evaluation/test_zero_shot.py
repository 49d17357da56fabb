"""Classes by their names, of a stand-in whose text tower counts words."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import pytest

from jcl.data import InMemorySource
from jcl.data.text.tokenised import tokenised
from jcl.data.text.words import train_words
from jcl.errors import UserError
from jcl.evaluation.zero_shot import class_texts, score_zero_shot
from jcl.experiment import open_config
from jcl.methods.base import Variables
from jcl.probes.extract import Features
from tests.tiny import tiny_config

NAMES = ("big_cat", "dog", "fish")
TEMPLATES = ("a {}", "many {} here")
BATCHES = []  # that were traced


@dataclasses.dataclass(frozen=True)
class WordCounts:
    """The embedding of a text has a number for each word of the vocabulary."""

    size: int

    needs: ClassVar = ("image", "text")
    init = embed = objective = after_update = staticmethod(lambda: None)  # not asked for

    def outputs(self, variables, inputs):
        BATCHES.append(len(inputs["text"]))
        hot = inputs["text"][..., None] == jnp.arange(self.size)
        return {"text/projection": (hot & inputs["text_mask"][..., None]).sum(1).astype(float)}


def split(class_names=NAMES):
    texts = np.array(["a big cat", "a dog", "many fish here"])
    tokenizer = train_words(texts)
    images = np.zeros((3, 2, 2, 3), np.uint8)
    raw = InMemorySource({"image": images, "text": texts}, 3, class_names)
    return tokenised(raw, tokenizer, 8, what="the split")


def score(test, images, templates=TEMPLATES):
    config = open_config(tiny_config(**{"probe.templates": templates}))
    method = WordCounts(test.tokenizer.size if hasattr(test, "tokenizer") else 1)
    return score_zero_shot(config, method, Variables({}, {}), test, images)


def test_images_near_the_name_of_their_class_are_right(monkeypatch):
    test = split()
    words = [test.tokenizer.encode(np.array([text]), 8).ids[0, 1] for text in ("cat", "dog")]
    features = np.eye(test.tokenizer.size, dtype=np.float32)[[*words, words[1]]]
    images = Features(features, {"label": np.array([0, 1, 2], np.int32)})
    assert score(test, images) == {"top1": pytest.approx(2 / 3), "templates": 2}
    # A thousand classes in eighty templates do not fit into memory at once.
    monkeypatch.setattr("jcl.evaluation.zero_shot.FEATURE_BATCH", 4)
    BATCHES.clear()
    assert score(test, images) == {"top1": pytest.approx(2 / 3), "templates": 2}
    assert BATCHES == [4]


def test_names_stand_in_all_templates():
    assert class_texts(NAMES, TEMPLATES)[0].tolist() == ["a big cat", "many big cat here"]
    with pytest.raises(UserError, match=r"probe\.templates=\('a photo',\) is impossible: give"):
        open_config(tiny_config(**{"probe.templates": ("a photo",)}))


def test_without_names_labels_or_strings_there_is_no_score():
    labelled = Features(np.ones((3, 4), np.float32), {"label": np.zeros(3, np.int32)})
    assert score(split(class_names=None), labelled) is None
    assert score(split(), labelled._replace(known={})) is None
    ids = InMemorySource({"text": np.zeros((3, 4), np.int32)}, 3, NAMES)
    assert score(ids, labelled) is None
