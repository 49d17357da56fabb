"""Sources of strings: their token ids, what is cut and said, and texts that are missing."""

import dataclasses
import logging
import pickle
import re

import numpy as np
import pytest

from jcl.data import InMemorySource, Source
from jcl.data.dataset_shape import shape_of
from jcl.data.rows import Rows
from jcl.data.text.bpe import train_bpe
from jcl.data.text.make import make_tokenizer
from jcl.data.text.texts import has_strings
from jcl.data.text.tokenised import tokenised
from jcl.errors import UserError

TEXTS = np.array(["a red disc", "a disc", "the red disc at the top", "red"])
TOKENIZER = train_bpe(TEXTS.tolist(), 258)  # bytes alone


@dataclasses.dataclass(frozen=True)
class Slow:
    """The same examples, not in memory; images cannot be read with texts alone."""

    arrays: dict
    image_shape = (2, 2, 1)
    n_classes, in_memory = None, False

    def __len__(self):
        return len(self.arrays["text"])

    def batch(self, indices):
        return {key: array[indices] for key, array in self.arrays.items()}


def source(texts=TEXTS, kind=InMemorySource):
    image = np.arange(4 * len(texts), dtype=np.uint8).reshape(-1, 2, 2, 1)
    return kind({"image": image, "text": texts})


@pytest.mark.parametrize("kind", [InMemorySource, Slow])
@pytest.mark.parametrize("texts", [TEXTS, TEXTS.reshape(2, 2)])
def test_ids_stand_where_strings_stood(kind, texts):
    found = pickle.loads(pickle.dumps(tokenised(source(texts, kind), TOKENIZER, 30, what="it")))
    assert isinstance(found, Source)
    assert (len(found), found.in_memory) == (len(texts), kind is InMemorySource)
    rows = np.array([1, 0, 1])
    batch = found.batch(rows)
    expected = TOKENIZER.encode(texts[rows], 30)
    np.testing.assert_array_equal(batch["text"], expected.ids)
    np.testing.assert_array_equal(batch["text_mask"], expected.mask)
    np.testing.assert_array_equal(batch["image"], source(texts).batch(rows)["image"])
    np.testing.assert_array_equal(found.texts(rows), texts[rows])
    shape = shape_of(found)
    assert shape.vocabulary == shape_of(Rows(found, rows)).vocabulary == TOKENIZER.size
    assert shape.example["text"].shape == (*texts.shape[1:], 30)


@pytest.mark.parametrize("kind", [InMemorySource, Slow])
def test_cut_texts_are_counted_and_said_once(kind, caplog):
    with caplog.at_level(logging.WARNING):
        found = tokenised(source(kind=kind), TOKENIZER, 9, what="the train split of x")
        found.batch(np.arange(4))
    message = (
        "the train split of x: 2 of 4 texts have more than 9 tokens and are cut there "
        "(data.text_length)"
    )
    assert [record.getMessage() for record in caplog.records] == [message]


@pytest.mark.parametrize(
    ("texts", "row"), [(np.array(["a", "b", " "]), 2), (np.array([["a", ""], ["", " "]]), 1)]
)
def test_an_example_without_a_text_is_refused(texts, row):
    with pytest.raises(UserError, match=f"example {row} has an empty text"):
        tokenised(source(texts), TOKENIZER, 9, what="it")


def test_an_empty_text_that_nobody_looked_at_is_refused_where_it_is_read(monkeypatch):
    monkeypatch.setattr("jcl.data.text.tokenised._LOOKED_AT", 2)
    found = tokenised(source(np.array(["a", "", "b"]), Slow), TOKENIZER, 9, what="it")
    found.batch(np.array([0, 2]))
    with pytest.raises(UserError, match="example 1 has an empty text"):
        found.batch(np.array([2, 1]))


def test_a_tokenizer_is_trained_on_the_texts_of_a_part():
    part = Rows(source(), np.array([0, 2]))
    assert has_strings(part)
    made = make_tokenizer(part, path=None, vocabulary=262)
    assert made == train_bpe(TEXTS[[0, 2]].tolist(), 262)
    assert not has_strings(source(np.zeros((3, 5), np.int32)))


def test_a_tokenizer_by_path(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(TOKENIZER.json)
    assert make_tokenizer(source(), path=str(path), vocabulary=999) == TOKENIZER
    with pytest.raises(UserError, match=re.escape(f"the tokenizer {path}x cannot be read")):
        make_tokenizer(source(), path=f"{path}x", vocabulary=999)


def test_missing_labels_are_known_beside_texts():
    arrays = {**source().arrays, "label": np.array([0, -1, 1, -1], np.int32)}
    found = tokenised(InMemorySource(arrays, n_classes=2), TOKENIZER, 30, what="it")
    assert shape_of(found).unlabelled == 2
    assert shape_of(Rows(found, np.array([0, 1]))).unlabelled == 1
    assert shape_of(found).constant == ()
    assert shape_of(Rows(found, np.array([0]))).constant == ("label",)
