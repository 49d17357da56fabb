"""`moving`: clips of one moving shape; its class and its motion are independent.

A clip has eight frames of 32x32 RGB, drawn like `shapes`. The motion can be seen only in several
frames: "slide" goes straight through the middle, "orbit" goes around it, "grow" and "shrink" stay
in place and change in size. Angle, direction, roundness, colours, background and noise are
nuisances.

The clips are bit-reproducible, like `shapes`.
"""

import numpy as np
from jaxtyping import Float64, Int32, UInt8, UInt64

from jcl.config.checks import check_count
from jcl.data.draws import random_words, uniform
from jcl.data.source import InMemorySource
from jcl.data.sources.outlines import CLASSES, coverage
from jcl.data.sources.painting import bell_noise, contrasting_colours, cos_sin, gradient, to_bytes

SIZE = 32
FRAMES = 8
MOTIONS = ("slide", "orbit", "grow", "shrink")

_SCALE = (0.45, 0.6)  # of a moving shape; growing and shrinking shapes begin or end at half of it
_REACH = 0.35  # largest distance of a moving shape from the middle
_CONTRAST, _GRADIENT, _NOISE = 0.35, 0.15, 0.04

_DRAWS, _PAIRS, _NOISES = 8, 64, FRAMES * SIZE * SIZE * 3 // 2
_WORDS = _DRAWS + _PAIRS + _NOISES
_CHUNK = 32


def moving_source(
    split: str, *, train_examples: int = 2_000, test_examples: int = 500, seed: int = 0
) -> InMemorySource:
    """`data.name="moving"`.

    Args:
        split: "train" or "test".
        train_examples: number of training examples to generate.
        test_examples: number of test examples to generate.
        seed: of the generator: another one draws another dataset.
    """
    check_count("data.train_examples", train_examples)
    check_count("data.test_examples", test_examples)
    return make_moving(split, {"train": train_examples, "test": test_examples}[split], seed=seed)


def make_moving(split: str, examples: int, *, seed: int = 0) -> InMemorySource:
    """Generates the first `examples` clips of a split, about 1,000 per second on one core.

    Args:
        split: "train" or "test", which are independent streams.
        examples: number of clips. Example i does not depend on it.
        seed: of the generator.

    Returns:
        A source with video uint8 [n, 8, 32, 32, 3]; label int32 [n], the class of the shape, i mod
        8 (`CLASSES`); motion int32 [n], i div 8 mod 4 (`MOTIONS`).
    """
    number = np.arange(examples, dtype=np.int32)
    label, motion = number % len(CLASSES), number // len(CLASSES) % len(MOTIONS)
    clip = np.empty((examples, FRAMES, SIZE, SIZE, 3), np.uint8)
    for start in range(0, examples, _CHUNK):
        part = slice(start, min(start + _CHUNK, examples))
        words = random_words("moving", split, seed, start=start, stop=part.stop, each=_WORDS)
        clip[part] = _render(words, label[part], motion[part])
    arrays = {"video": clip, "label": label, "motion": motion}
    return InMemorySource(arrays, n_classes=len(CLASSES), class_names=CLASSES)


def _render(
    words: UInt64[np.ndarray, "b n"],
    label: Int32[np.ndarray, " b"],
    motion: Int32[np.ndarray, " b"],
) -> UInt8[np.ndarray, "b t h w 3"]:
    """Clips from random words, classes and motions."""
    draws = uniform(words[:, :_DRAWS]).T
    scale = _SCALE[0] + (_SCALE[1] - _SCALE[0]) * draws[1]
    turned = cos_sin(draws[2])
    right, down = _GRADIENT * (2 * draws[4:6] - 1)
    shade = gradient(right, down, SIZE)
    shape_colour, ground_colour = contrasting_colours(
        words[:, _DRAWS : _DRAWS + _PAIRS], contrast=_CONTRAST
    )
    ground = ground_colour[:, None, None, :] + shade[..., None]
    frames = []
    for frame in range(FRAMES):
        centre, size = _place(motion, draws[3], scale, frame / (FRAMES - 1))
        covered = coverage(
            label, roundness=draws[0], scale=size, centre=centre, cos_sin=turned, size=SIZE
        )
        difference = shape_colour[:, None, None, :] - ground
        frames.append(ground + covered[..., None] * difference)
    clip = np.stack(frames, axis=1)
    clip += bell_noise(words[:, -_NOISES:], FRAMES, SIZE, SIZE, 3, deviation=_NOISE)
    return to_bytes(clip)


def _place(
    motion: Int32[np.ndarray, " b"],
    direction: Float64[np.ndarray, " b"],
    scale: Float64[np.ndarray, " b"],
    time: float,
) -> tuple[tuple[Float64[np.ndarray, " b"], Float64[np.ndarray, " b"]], Float64[np.ndarray, " b"]]:
    """Centre and size of every shape at a time from 0 to 1."""
    slide, orbit, grow, shrink = (motion == i for i in range(len(MOTIONS)))
    turns = np.where(orbit, direction + 0.75 * time, direction)
    cos, sin = cos_sin(turns - np.floor(turns))
    away = _REACH * (np.where(slide, 2 * time - 1, 0.0) + orbit)
    size = np.where(grow, 0.5 + 0.5 * time, np.where(shrink, 1 - 0.5 * time, 1.0)) * scale
    return (away * cos, away * sin), size
