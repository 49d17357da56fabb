"""How well emoji are retrieved without learning: the controls of configs/clip_emoji.py.

    python -m benchmarks.emoji_controls --data_dir=data --name=emoji

Drawings are compared as pixels, or as histograms of gradients and colours. An image speaks by the
TF-IDF of the captions of its ten nearest training drawings, and the scores are those of
`jcl.evaluation.pairs`, of the same images and texts.
"""

import argparse

import numpy as np
from jaxtyping import Float, UInt8
from sklearn.feature_extraction.text import TfidfVectorizer

from jcl.data import InMemorySource, open_source
from jcl.evaluation.pairs import EmbeddedPairs, score_retrieval
from jcl.probes.across import recall_across
from jcl.probes.extract import Features
from jcl.probes.unit import unit

_SIZE = 32
_NEAREST = 10
_CELL, _ORIENTATIONS = 4, 9
_COLOUR_CELL, _COLOUR_WEIGHT = 8, 0.5


def pixels(images: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n d"]:
    """The values themselves, float32 in [0, 1]."""
    return images.reshape(len(images), -1).astype(np.float32) / 255


def gradients_and_colours(images: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n d"]:
    """Histograms of oriented gradients beside the mean colours of a coarser grid.

    Dalal & Triggs 2005: per cell of 4 x 4 pixels, nine orientations without a sign, each pixel's
    colour channel of the largest gradient, blocks of 2 x 2 cells of norm one, clipped at 0.2. Both
    parts are rows of norm one, the colours less white and weighted by a half.
    """
    x = images.astype(np.float32) / 255
    dy, dx = np.gradient(x, axis=(1, 2))
    size = np.hypot(dx, dy)
    channel = size.argmax(-1)[..., None]
    size, dx, dy = (np.take_along_axis(a, channel, -1)[..., 0] for a in (size, dx, dy))
    angle = np.arctan2(dy, dx) % np.pi
    bins = (angle / np.pi * _ORIENTATIONS).astype(int) % _ORIENTATIONS
    hot = size[..., None] * (bins[..., None] == np.arange(_ORIENTATIONS))
    cells = _means(hot, _CELL)
    blocks = np.concatenate(
        [cells[:, i : i - 1 or None, j : j - 1 or None] for i in (0, 1) for j in (0, 1)], axis=-1
    )
    clipped = np.minimum(_unit_last(blocks), 0.2)
    colours = (1 - _means(x, _COLOUR_CELL)).reshape(len(x), -1)
    parts = unit(clipped.reshape(len(x), -1)), _COLOUR_WEIGHT * unit(colours)
    return np.concatenate(parts, axis=1)


def words_of_neighbours(
    features: Float[np.ndarray, "n d"],
    train_features: Float[np.ndarray, "m d"],
    train_words: Float[np.ndarray, "m v"],
) -> Float[np.ndarray, "n v"]:
    """The mean of the words of each image's nearest training drawings, as cosines have it."""
    cosines = unit(features) @ unit(train_features).T
    nearest = np.argsort(-cosines, axis=1)[:, :_NEAREST]
    return train_words[nearest].mean(1)


def drawings(source: InMemorySource) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every drawing of a split, its symbol and its style."""
    symbol, style = np.nonzero(source.arrays["image_mask"])
    return source.arrays["image"][symbol, style], symbol, style


def main() -> None:
    """Prints the scores of both kinds of features."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_dir", default="data")
    parser.add_argument("--name", default="emoji")
    flags = parser.parse_args()
    train, test = (
        open_source(f"tfds:{flags.name}", split, dir=flags.data_dir, image_size=_SIZE)
        for split in ("train", "test")
    )
    tfidf = TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True).fit(train.arrays["text"])
    words, test_words = (
        np.asarray(tfidf.transform(split.arrays["text"]).todense(), np.float32)
        for split in (train, test)
    )
    (train_images, train_symbol, _), (images, symbol, style) = drawings(train), drawings(test)
    rows = {key: x.astype(np.int32) for key, x in (("pair", symbol), ("place", style))}
    texts = Features(test_words, {"pair": np.arange(len(test_words), dtype=np.int32)})
    for features_of in (pixels, gradients_and_colours):
        train_features = features_of(train_images)
        features = features_of(images)
        mean = train_features.mean(0)
        said = words_of_neighbours(features - mean, train_features - mean, words[train_symbol])
        scores = score_retrieval(EmbeddedPairs(Features(said, rows), texts))
        scores["image_to_image"] = recall_across(features - mean, symbol, style)
        for way, found in scores.items():
            shown = ", ".join(f"{name} {100 * x:.1f}" for name, x in found.items())
            print(f"{features_of.__name__}: {way}: {shown}")


def _means(x: Float[np.ndarray, "n h w c"], cell: int) -> Float[np.ndarray, "n r s c"]:
    n, height, width, channels = x.shape
    cells = x.reshape(n, height // cell, cell, width // cell, cell, channels)
    return cells.mean((2, 4))


def _unit_last(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-6)


if __name__ == "__main__":
    main()
