"""WordNet's definitions, and pairs of nouns with their similarity: a test of sentence encoders.

The files are those of WordNet 3.0 (Fellbaum 1998), in Debian's package wordnet-base.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from jcl.data.prepare.splits import Splits
from jcl.errors import UserError

# By the letter of a synset's part of speech, and in the order of the files.
_FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
_HYPERNYMS = ("@", "@i")  # "is a kind of", "is an instance of"
_DISTANCES = range(1, 13)  # edges between the nouns of a pair, all equally frequent
_TRIES = 1000  # draws for one pair


class Synset(NamedTuple):
    """A concept.

    Attributes:
        definition: its gloss without the examples of use.
        topic: number of its lexicographer's file, from 0: noun.animal, verb.motion, ...
        hypernyms: for nouns, positions of the nouns that it is a kind or an instance of.
    """

    definition: str
    topic: int
    hypernyms: tuple[int, ...]


def read_wordnet(folder: str | Path) -> list[Synset]:
    """All 117,659 synsets, nouns first, in the files' order.

    Args:
        folder: with data.noun, data.verb, data.adj and data.adv.

    Raises:
        UserError: a file is missing, or is not one of WordNet's.
    """
    synsets, places, above = [], {}, []
    for letter, name in _FILES.items():
        path = Path(folder) / f"data.{name}"
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path} cannot be read: {error}") from error
        for line in lines:
            if line.startswith(" "):  # the licence
                continue
            try:
                offset, topic, definition, hypernyms = _parsed(line)
            except (ValueError, IndexError) as error:
                raise UserError(f"{path} is not a file of WordNet: {line[:60]!r}") from error
            if letter == "n":
                places[offset] = len(synsets)
            above.append(hypernyms if letter == "n" else ())
            synsets.append(Synset(definition, topic, ()))
    return [
        synset._replace(hypernyms=tuple(places[offset] for offset in offsets))
        for synset, offsets in zip(synsets, above, strict=True)
    ]


def wordnet_splits(synsets: list[Synset], *, pairs: int, seed: int) -> Splits:
    """Definitions for training, and pairs of other definitions for testing.

    Pairs of nouns are drawn such that all numbers of edges between them, 1 to 12, are equally
    frequent. Nearly all uniformly random pairs would be far apart.

    Args:
        synsets: from `read_wordnet`.
        pairs: number of test pairs.
        seed: of the draw, any integer.

    Returns:
        `text`, strings, and `label`, the topic, of both. Test examples 2i and 2i + 1 are the two
        sides of pair i, `sts_pair`; `sts_score` is their path similarity, 1 / (1 + edges).

    Raises:
        UserError: pairs that cannot be drawn.
    """
    nouns = [i for i, synset in enumerate(synsets) if synset.hypernyms]
    below: dict[int, list[int]] = {}
    for i in nouns:
        for parent in synsets[i].hypernyms:
            below.setdefault(parent, []).append(i)
    random = np.random.Generator(np.random.Philox(key=seed % 2**64))
    drawn, edges = [], []
    for pair in range(pairs):
        wanted = _DISTANCES[pair % len(_DISTANCES)]
        drawn.append(_pair_at(wanted, synsets, nouns, below, random))
        edges.append(wanted)
    rows = np.array(drawn).reshape(-1)
    test = _arrays(synsets, rows)
    test["sts_pair"] = np.repeat(np.arange(pairs), 2)
    test["sts_score"] = np.repeat(1 / (1 + np.array(edges, np.float32)), 2)
    return {"train": _arrays(synsets, np.setdiff1d(np.arange(len(synsets)), rows)), "test": test}


def path_edges(synsets: list[Synset], a: int, b: int) -> int | None:
    """Edges of the shortest path between two nouns through a common hypernym.

    The path similarity is 1 / (1 + edges). None if there is no common hypernym.
    """
    heights = _ancestors(synsets, a), _ancestors(synsets, b)
    common = heights[0].keys() & heights[1].keys()
    return min((heights[0][c] + heights[1][c] for c in common), default=None)


def _ancestors(synsets: list[Synset], start: int) -> dict[int, int]:
    """All hypernyms above a noun with the number of edges to each; the noun itself has 0."""
    found, waiting = {start: 0}, [start]
    for i in waiting:  # breadth first: the list grows
        for parent in synsets[i].hypernyms:
            if parent not in found:
                found[parent] = found[i] + 1
                waiting.append(parent)
    return found


def _pair_at(edges: int, synsets, nouns, below, random) -> tuple[int, int]:
    """Two nouns joined by a random path of this many edges, if it is also their shortest path."""
    for _ in range(_TRIES):
        start = end = nouns[random.integers(len(nouns))]
        up = random.integers(edges + 1)
        for step in range(edges):
            around = synsets[end].hypernyms if step < up else below.get(end, ())
            if not around:
                break
            end = around[random.integers(len(around))]
        if path_edges(synsets, start, end) == edges:
            return start, end
    raise UserError(f"no two nouns that are {edges} edges apart were found")


def _arrays(synsets: list[Synset], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "text": np.array([synsets[row].definition for row in rows]),
        "label": np.array([synsets[row].topic for row in rows], np.int32),
    }


def _parsed(line: str) -> tuple[str, int, str, tuple[str, ...]]:
    """Of a line of data.POS (wndb(5WN)): offset, topic, definition, offsets of noun hypernyms."""
    data, gloss = line.split(" | ", 1)
    fields = data.split()
    offset, topic, words = fields[0], int(fields[1]), int(fields[3], 16)
    pointers = fields[4 + 2 * words :]
    count, found = int(pointers[0]), []
    for i in range(count):
        symbol, target, kind, _ = pointers[1 + 4 * i : 5 + 4 * i]
        if symbol in _HYPERNYMS and kind == "n":
            found.append(target)
    definition = gloss.split('; "')[0].strip()
    return offset, topic, definition, tuple(found)
