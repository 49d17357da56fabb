"""Tokenizers: what stands around a text, cuts, blanks, and a BPE that depends on texts alone."""

import gzip
import json
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
import tokenizers

from jcl.data.text.bpe import train_bpe
from jcl.data.text.named import named_tokenizer
from jcl.data.text.tokenizer import Tokenizer, read_tokenizer
from jcl.errors import UserError

TEXTS = ["A red disc", "a  red square", "the blue disc", "A BLUE disc at the top"] * 3


@pytest.fixture(scope="module")
def trained():
    return train_bpe(TEXTS, 280)


def said(tokenizer, ids):
    decoded = tokenizers.Tokenizer.from_str(tokenizer.json).decode(ids, skip_special_tokens=False)
    return decoded.replace("|> ", "|>")


def test_a_text_stands_between_start_and_end_in_lower_case(trained):
    ids, mask, cut = trained.encode(np.array(["A  RED disc ", "disc"]), 24)
    assert (ids.dtype, ids.shape, cut.tolist()) == (np.int32, (2, 24), [False, False])
    assert said(trained, ids[0][mask[0]]) == "<|startoftext|>a red disc<|endoftext|>"
    np.testing.assert_array_equal(ids[~mask], 0)
    # A word has the same tokens at the start as elsewhere.
    inside = ids[1][mask[1]][1:-1].tolist()
    assert ids[0][mask[0]].tolist()[-1 - len(inside) : -1] == inside


def test_what_stands_around_a_text_and_fills_it_up(trained):
    assert (trained.around, trained.padding) == ((0, 1), "<|endoftext|>")
    plain = tokenizers.Tokenizer.from_str(trained.json)
    plain.post_processor = tokenizers.processors.ByteLevel()
    bare = Tokenizer(plain.to_str())
    assert (bare.around, bare.padding) == ((None, None), None)
    plain.add_special_tokens(["[PAD]"])
    plain.enable_padding(length=30, pad_token="[PAD]")  # the file's own does not count
    padded = Tokenizer(plain.to_str())
    assert (padded.around, padded.padding) == ((None, None), "[PAD]")


def test_a_longer_text_keeps_its_first_tokens_and_its_end(trained):
    long, short = np.array(["zebra " * 20]), np.array(["ze"])
    ids, mask, cut = trained.encode(long, 6)
    whole = trained.encode(long, 200)
    assert cut.tolist() == [True]
    assert mask.all()
    np.testing.assert_array_equal(ids[0, :5], whole.ids[0, :5])
    assert ids[0, 5] == whole.ids[0][whole.mask[0]][-1]
    # Just as long as fits is not cut.
    count = int(trained.encode(short, 9).mask.sum())
    assert trained.encode(short, count).cut.tolist() == [False]
    assert trained.encode(short, count - 1).cut.tolist() == [True]


def test_several_texts_an_example_and_none_of_blanks(trained):
    texts = np.array([["a disc", ""], ["\t ", "the top"]])
    ids, mask, cut = trained.encode(texts, 12)
    assert (ids.shape, mask.shape, cut.shape) == ((2, 2, 12), (2, 2, 12), (2, 2))
    assert mask.any(-1).tolist() == [[True, False], [False, True]]
    np.testing.assert_array_equal(ids[0, 0], trained.encode(np.array("a disc"), 12).ids)


def test_every_text_can_be_said(trained):
    text = "naïve Zürich, 東京 \N{SNOWMAN}"
    ids, mask, _ = trained.encode(np.array(text), 99)
    assert said(trained, ids[mask]) == f"<|startoftext|>{text.lower()}<|endoftext|>"
    assert 258 < trained.size <= 280
    assert ids.max() < trained.size


def test_a_trained_tokenizer_depends_on_the_texts_alone(trained):
    assert train_bpe(TEXTS[::-1], 280) == trained


@pytest.mark.slow
def test_another_process_trains_the_same_tokenizer(trained):
    code = (
        "import sys, json; from jcl.data.text.bpe import train_bpe; "
        "sys.stdout.write(train_bpe(json.load(sys.stdin), 280).json)"
    )
    other = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout == trained.json


def test_a_file_is_the_tokenizer_whatever_its_layout_and_length(trained, tmp_path):
    own = tokenizers.Tokenizer.from_str(trained.json)
    own.enable_truncation(3)
    own.enable_padding(length=5)
    own.save(str(tmp_path / "tokenizer.json"), pretty=True)
    read = read_tokenizer(tmp_path / "tokenizer.json")
    assert read != trained
    assert read.is_same(trained)
    assert not read.is_same(train_bpe(TEXTS, 270))
    text = np.array(["the blue disc"])
    for ours, theirs in zip(read.encode(text, 16), trained.encode(text, 16), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert read.size == trained.size == pickle.loads(pickle.dumps(read)).size


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"\xff\xfe", "cannot be read: it is no text in UTF-8"),
        (b"{}", "is not a tokenizer.json of `tokenizers`: "),
        (b"hello", "is not a tokenizer.json of `tokenizers`: "),
    ],
)
def test_files_that_are_no_tokenizers(tmp_path, content, message):
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(message)) as error:
        read_tokenizer(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_length_without_room_for_a_text_is_refused(trained):
    with pytest.raises(UserError, match=r"data\.text_length=2 leaves no token for a text"):
        Tokenizer(trained.json).encode(np.array(["a"]), 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello", "cannot be read: Not a gzipped file"),
        (gzip.compress(b"#version\na b\n", mtime=0), "does not hold the 48894 merges of CLIP's"),
    ],
)
def test_files_that_are_no_merges(tmp_path, content, message):
    path = tmp_path / "merges.txt.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(message)) as error:
        named_tokenizer(path)
    assert str(path) in str(error.value)
