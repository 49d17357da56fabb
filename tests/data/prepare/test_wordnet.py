"""WordNet's files, on a dictionary of nine synsets, and its pairs against all shortest paths."""

import itertools

import numpy as np
import pytest

from jcl.data import open_source
from jcl.data.prepare.wordnet import Synset, path_edges, read_wordnet, wordnet_splits
from jcl.data.prepare.write_npz import write_npz
from jcl.errors import UserError

# Definition and examples, topic, and what is above, by name. "whale" has two ways up.
NOUNS = {
    "entity": ('that which is; "an entity"', 3, ()),
    "animal": ("a living thing; it can move", 5, ("entity",)),
    "mammal": ("a warm animal", 5, ("animal",)),
    "swimmer": ("an animal that swims", 5, ("animal",)),
    "whale": ('a large swimmer; "whales sing"; "a pod of whales"', 5, ("mammal", "swimmer")),
    "dog": ("a barking mammal", 5, ("mammal",)),
}
OFFSETS = {name: f"{1000 + 100 * i:08d}" for i, name in enumerate(NOUNS)}
LICENCE = "  1 This software and database is being provided to you\n"


def write_dictionary(folder):
    lines = [LICENCE]
    for name, (gloss, topic, above) in NOUNS.items():
        pointers = [f"@{'i' if name == 'dog' else ''} {OFFSETS[other]} n 0000" for other in above]
        pointers = ["~ 00009999 n 0000", *pointers, "+ 00002000 v 0101"]
        # 0a is ten words, in hexadecimal.
        words = [f"{name}{i}" for i in range(10)] if name == "whale" else [name]
        of_words = f"{len(words):02x} " + " ".join(f"{word} 0" for word in words)
        of_pointers = f"{len(pointers):03d} " + " ".join(pointers)
        lines.append(f"{OFFSETS[name]} {topic:02d} n {of_words} {of_pointers} | {gloss}  \n")
    (folder / "data.noun").write_text("".join(lines))
    pointer = f"@ {OFFSETS['animal']} v 0000"
    verb = f"00002000 38 v 01 move 0 001 {pointer} 01 + 02 00 | change places  \n"
    (folder / "data.verb").write_text(LICENCE + verb)
    adjective = "00003000 00 s 01 big(p) 0 001 & 00003100 a 0000 | of great size  \n"
    (folder / "data.adj").write_text(LICENCE + adjective)
    (folder / "data.adv").write_text("00004000 02 r 01 well 0 000 | in a good way  \n")


@pytest.fixture
def synsets(tmp_path):
    write_dictionary(tmp_path)
    return read_wordnet(tmp_path)


def test_definitions_topics_and_hypernyms(synsets):
    places = {name: i for i, name in enumerate(NOUNS)}
    expected = [
        Synset(gloss.partition('; "')[0], topic, tuple(places[other] for other in above))
        for gloss, topic, above in NOUNS.values()
    ]
    others = [("change places", 38), ("of great size", 0), ("in a good way", 2)]
    assert synsets == [*expected, *(Synset(*other, ()) for other in others)]


def shortest_paths(synsets):
    """Edges between nouns, through what is above both: a product of boolean matrices a step."""
    n = len(NOUNS)
    up = np.zeros((n, n), bool)
    for i, synset in enumerate(synsets[:n]):
        up[i, list(synset.hypernyms)] = True
    heights = np.full((n, n), np.inf)
    reached = np.eye(n, dtype=bool)
    for height in range(n):
        heights[reached] = np.minimum(heights[reached], height)
        reached = reached @ up
    return (heights[:, None] + heights[None]).min(-1)


def test_paths_against_all_of_them(synsets):
    expected = shortest_paths(synsets)
    for a, b in itertools.product(range(len(NOUNS)), repeat=2):
        assert path_edges(synsets, a, b) == expected[a, b]
    assert path_edges(synsets, 0, len(NOUNS)) is None  # a verb


def test_pairs_have_their_similarity_and_do_not_train(synsets, monkeypatch, tmp_path):
    monkeypatch.setattr("jcl.data.prepare.wordnet._DISTANCES", range(1, 4))
    splits = wordnet_splits(synsets, pairs=2, seed=1)
    train, test = splits["train"], splits["test"]
    texts = [synset.definition for synset in synsets]
    places = [texts.index(text) for text in test["text"]]
    edges = shortest_paths(synsets)
    assert [edges[places[0], places[1]], edges[places[2], places[3]]] == [1, 2]
    np.testing.assert_allclose(test["sts_score"], [1 / 2, 1 / 2, 1 / 3, 1 / 3])
    assert test["sts_pair"].tolist() == [0, 0, 1, 1]
    assert sorted({*train["text"], *test["text"]}) == sorted(texts)
    assert not {*train["text"]} & {*test["text"]}
    for arrays in (train, test):
        topics = [synsets[texts.index(text)].topic for text in arrays["text"]]
        np.testing.assert_array_equal(arrays["label"], topics)
    wordnet_splits(synsets, pairs=1, seed=-1)
    path = write_npz(splits, name="wordnet", data_dir=str(tmp_path))
    batch = open_source(f"arrays:{path}", "test").batch(np.arange(4))
    assert batch["text"].tolist() == test["text"].tolist()
    assert (batch["sts_pair"].dtype, batch["sts_score"].dtype) == (np.int32, np.float32)
    # Edges that this dictionary has not.
    monkeypatch.setattr("jcl.data.prepare.wordnet._DISTANCES", (9,))
    with pytest.raises(UserError, match="no two nouns that are 9 edges apart were found"):
        wordnet_splits(synsets, pairs=1, seed=0)


def test_files_that_are_not_wordnets(tmp_path):
    with pytest.raises(UserError, match=r"data\.noun cannot be read"):
        read_wordnet(tmp_path)
    write_dictionary(tmp_path)
    (tmp_path / "data.adj").write_text("hello | world\n")
    with pytest.raises(UserError, match=r"data\.adj is not a file of WordNet: 'hello | world'"):
        read_wordnet(tmp_path)
