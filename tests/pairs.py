"""Toy pairs of an image and a text that names it: a shape, its colour and its place."""

import itertools
from pathlib import Path

import numpy as np

SHAPES = ("disc", "square", "triangle", "cross")
COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 80, 230),
    "yellow": (230, 220, 50),
    "white": (240, 240, 240),
    "purple": (170, 60, 200),
    "cyan": (60, 210, 220),
    "orange": (240, 140, 30),
}
ROWS, COLUMNS = ("top", "bottom"), ("left", "right")
WORDS = ("padding", "a", "the", "at", *SHAPES, *COLOURS, *ROWS, *COLUMNS)
LENGTH = 8
SIDE = 16

COMBINATIONS = tuple(itertools.product(range(4), range(8), range(2), range(2)))
# A quarter of the 128 combinations, which the training split does not have.
HELD_OUT = np.sort(np.random.RandomState(0).permutation(len(COMBINATIONS))[:32])


def pairs(split, *, renderings=12):
    """The arrays of a split: image, text, text_mask, and the shape as label.

    Args:
        split: "train", of 96 combinations, or "test", of one new rendering of each of all 128.
        renderings: of each combination in "train"; they differ in size, place, noise, background
            and wording.
    """
    rows = range(len(COMBINATIONS))
    if split == "train":
        rows = np.repeat(np.setdiff1d(rows, HELD_OUT), renderings)
    chosen = [COMBINATIONS[row] for row in rows]
    random = np.random.RandomState(("train", "test").index(split))
    texts = [_text(random, *combination) for combination in chosen]
    ids = [[*text, *[0] * (LENGTH - len(text))] for text in texts]
    lengths = np.array([len(text) for text in texts])
    return {
        "image": np.stack([_image(random, *combination) for combination in chosen]),
        "text": np.array(ids, np.int32),
        "text_mask": np.arange(LENGTH) < lengths[:, None],
        "label": np.array([shape for shape, *_ in chosen], np.int32),
    }


def write_pairs(path):
    """Writes both splits to an archive that `data.name=arrays:PATH` reads."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    splits = {split: pairs(split) for split in ("train", "test")}
    np.savez(path, **{f"{s}_{key}": a for s, arrays in splits.items() for key, a in arrays.items()})


def found_first(queries, keys):
    """Of unit rows, whether the nearest key is the query's own."""
    return np.argmax(queries @ keys.T, axis=1) == np.arange(len(queries))


def _text(random, shape, colour, row, column):
    """Token ids of "a red disc at the top left", in one of two orders."""
    what = [random.choice(["a", "the"]), list(COLOURS)[colour], SHAPES[shape]]
    where = ["at", *["the"] * random.randint(2), ROWS[row], COLUMNS[column]]
    words = what + where if random.randint(2) else where + what
    return [WORDS.index(word) for word in words]


def _image(random, shape, colour, row, column):
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    centre = 3.5 + 8 * np.array([row, column]) + random.uniform(-0.5, 0.5, 2)
    radius = random.uniform(2.8, 3.4)
    y, x = (y - centre[0]) / radius, (x - centre[1]) / radius
    inside = [
        x**2 + y**2 < 1,
        np.maximum(abs(x), abs(y)) < 0.9,
        (abs(x) < (y + 1) / 2) & (abs(y) < 1),
        (np.minimum(abs(x), abs(y)) < 0.35) & (np.maximum(abs(x), abs(y)) < 1.1),
    ][shape]
    background = random.uniform(20, 90)
    image = np.where(inside[..., None], list(COLOURS.values())[colour], background)
    return np.clip(image + random.normal(0, 8, image.shape), 0, 255).astype(np.uint8)
