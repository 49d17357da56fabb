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
}
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
WORDS = ("padding", "a", "the", "at", *SHAPES, *COLOURS, *ROWS, *COLUMNS)
LENGTH = 8
SIDE = 16


def pairs(split, *, renderings=8):
    """The arrays of a split: image, text, text_mask, and the shape as label.

    A quarter of the 216 combinations is held out, so that each of its shapes, colours and places
    occurs in the training split, but none of its combinations.

    Args:
        split: "train", of that many renderings of each combination, or "test", of one.
        renderings: differ in size, place, noise, background and wording.
    """
    combinations = list(itertools.product(range(4), range(6), range(3), range(3)))
    held_out = [sum(combination) % 4 == 0 for combination in combinations]
    is_test = split == "test"
    chosen = [c for c, held in zip(combinations, held_out, strict=True) if held == is_test]
    random = np.random.RandomState(int(is_test))
    rows = [row for row in chosen for _ in range(1 if is_test else renderings)]
    texts = [_text(random, *row) for row in rows]
    ids = np.array([[*text, *[0] * (LENGTH - len(text))] for text in texts], np.int32)
    return {
        "image": np.stack([_image(random, *row) for row in rows]),
        "text": ids,
        "text_mask": np.arange(LENGTH) < np.array([len(text) for text in texts])[:, None],
        "label": np.array([row[0] for row in rows], np.int32),
    }


def write_pairs(path):
    """Writes both splits to an archive that `data.name=arrays:PATH` reads."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    splits = {split: pairs(split) for split in ("train", "test")}
    np.savez(path, **{f"{s}_{key}": a for s, arrays in splits.items() for key, a in arrays.items()})


def recall_at_1(queries, keys):
    """Share of the unit rows whose own key is the nearest."""
    return float(np.mean(np.argmax(queries @ keys.T, axis=1) == np.arange(len(queries))))


def _text(random, shape, colour, row, column):
    """Token ids of "a red disc at the top left", in one of two orders."""
    what = [random.choice(["a", "the"]), list(COLOURS)[colour], SHAPES[shape]]
    where = ["at", *["the"] * random.randint(2), ROWS[row], COLUMNS[column]]
    words = what + where if random.randint(2) else where + what
    return [WORDS.index(word) for word in words]


def _image(random, shape, colour, row, column):
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    centre = 3 + 5 * np.array([row, column]) + random.uniform(-0.5, 0.5, 2)
    radius = random.uniform(1.9, 2.6)
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
