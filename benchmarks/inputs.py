"""Random inputs for the losses of `benchmarks.losses`, M rows of d dimensions for each.

Half of the rows are first views, or queries, and half are second views, or keys, save where a
function says another thing. Every function here returns one that makes `Inputs`, or is one.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.implementation import Inputs

CLASSES = 100  # of labels and targets
CAPTIONS = 3  # of an image
TOKENS = 8  # of an image or a text


def pair(first: str, second: str, **beside: Callable) -> Callable:
    """Two embeddings of every example; `beside` makes the rest, from a generator and B."""

    def make(random, rows, width):
        embeddings = dict(zip((first, second), _normal(random, 2, rows // 2, width), strict=True))
        return Inputs(embeddings, {name: f(random, rows // 2) for name, f in beside.items()})

    return make


def one_view(random: np.random.Generator, rows: int, width: int) -> Inputs:
    """M examples."""
    return Inputs({"z": _normal(random, rows, width)}, {})


def many_views(random: np.random.Generator, rows: int, width: int) -> Inputs:
    """M / 2 examples of two views in one array."""
    return Inputs({"z": _normal(random, rows // 2, 2, width)}, {})


def captioned(random: np.random.Generator, rows: int, width: int) -> Inputs:
    """A quarter of the rows are images, the rest their captions."""
    images = rows // (1 + CAPTIONS)
    captions = _normal(random, images, CAPTIONS, width)
    return Inputs({"images": _normal(random, images, width), "captions": captions}, {})


def tokens(random: np.random.Generator, rows: int, width: int) -> Inputs:
    """M / 2 tokens of images and as many of texts, of which about a quarter are padding."""
    batch = rows // 2 // TOKENS
    images, texts = _normal(random, 2, batch, TOKENS, width)
    lengths = random.integers(TOKENS // 2, TOKENS + 1, (2, batch, 1))
    image_mask, text_mask = np.arange(TOKENS) < lengths
    masks = {"image_mask": image_mask, "text_mask": text_mask}
    return Inputs({"images": images, "texts": texts}, masks)


def with_negatives(random: np.random.Generator, rows: int, width: int) -> Inputs:
    """M / 2 further rows are negatives, with gradients."""
    names = "queries", "keys", "negatives"
    return Inputs(dict(zip(names, _normal(random, 3, rows // 2, width), strict=True)), {})


def with_queue(random: np.random.Generator, rows: int, width: int) -> Inputs:
    """M / 2 further rows are a queue. Neither it nor the keys get gradients."""
    queries, keys, queue = _normal(random, 3, rows // 2, width)
    return Inputs({"queries": queries}, {"keys": keys, "queue": queue})


def with_queue_and(**beside: Callable) -> Callable:
    """`with_queue`; `beside` makes the rest, from a generator and the size of the queue."""

    def make(random, rows, width):
        embeddings, others = with_queue(random, rows, width)
        return Inputs(
            embeddings, {**others, **{k: f(random, rows // 2) for k, f in beside.items()}}
        )

    return make


def scores(random: np.random.Generator, rows: int, width: int) -> Inputs:
    """Of M / 2 examples and as many prototypes, like cosines. No gradient."""
    del width
    between = random.uniform(-1, 1, (rows // 2, rows // 2)).astype(np.float32)
    return Inputs({}, {"scores": between})


def classes(random: np.random.Generator, batch: int) -> np.ndarray:
    return random.integers(0, CLASSES, batch, dtype=np.int32)


def whole_numbers(random: np.random.Generator, batch: int) -> np.ndarray:
    """Of which many are equal. All implementations agree about which lie within a window."""
    return classes(random, batch).astype(np.float32)


def raw_key(random: np.random.Generator, batch: int) -> np.ndarray:
    """Of a PRNG of JAX."""
    del batch
    return random.integers(0, 2**32, 2, dtype=np.uint32)


def permutation(random: np.random.Generator, size: int) -> np.ndarray:
    return random.permutation(size).astype(np.int32)


def log_estimates(random: np.random.Generator, batch: int) -> np.ndarray:
    """As after a few epochs, with examples that were never seen among them."""
    seen = random.uniform(0, 1, batch) < 0.9
    return np.where(seen, random.standard_normal(batch), -np.inf).astype(np.float32)


def distributions(random: np.random.Generator, batch: int) -> np.ndarray:
    """One for every query, over as many keys."""
    shares = random.random((batch, batch), np.float32)
    return shares / shares.sum(axis=1, keepdims=True)


def _normal(random, *shape):
    return random.standard_normal(shape, np.float32)
