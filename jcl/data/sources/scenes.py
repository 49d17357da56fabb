"""`scenes`: one to four shapes in an image, with multi-hot labels and a mask of each shape.

The images are 48x48 RGB with the shapes of `shapes`. Each shape has its own quarter, so that none
hides another. The shapes of a scene are of different classes; their number and classes are random.
Position in the quarter, size, angle, roundness, colours, background and noise are nuisances.

The images are bit-reproducible, like `shapes`.
"""

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, UInt8, UInt64

from jcl.config.checks import check_count
from jcl.data.draws import one_of, random_words, uniform
from jcl.data.source import InMemorySource, check_image_size
from jcl.data.sources.outlines import CLASSES, coverage
from jcl.data.sources.painting import bell_noise, colour_on, cos_sin, gradient, to_bytes

SIZE = 48
SLOTS = 4

_SCALE = (0.3, 0.42)  # with any offset, a shape stays in its quarter of the image
_OFFSET = 0.07
_CONTRAST = 0.35
_GRADIENT, _NOISE = 0.15, 0.04

_SCENE, _SHAPE = 8, 6  # uniform draws of a scene, and of each shape
_COLOURS = 32  # to choose from for each shape; one word each
_NOISES = SIZE * SIZE * 3 // 2
_WORDS = _SCENE + SLOTS + len(CLASSES) + SLOTS * (_SHAPE + _COLOURS) + _NOISES
_CHUNK = 64


def scenes_source(
    split: str,
    *,
    image_size: int | None = None,
    train_examples: int = 10_000,
    test_examples: int = 2_000,
    seed: int = 0,
) -> InMemorySource:
    """`data.name="scenes"`.

    Args:
        split: "train" or "test".
        image_size: None, or the size that the images have, 48.
        train_examples: number of training examples to generate.
        test_examples: number of test examples to generate.
        seed: of the generator: another one draws another dataset.
    """
    check_count("data.train_examples", train_examples)
    check_count("data.test_examples", test_examples)
    check_image_size("scenes", image_size, (SIZE, SIZE, 3))
    return make_scenes(split, {"train": train_examples, "test": test_examples}[split], seed=seed)


def make_scenes(split: str, examples: int, *, seed: int = 0) -> InMemorySource:
    """Generates the first `examples` scenes of a split, about 2,000 per second on one core.

    Args:
        split: "train" or "test", which are independent streams.
        examples: number of scenes. Example i does not depend on it.
        seed: of the generator.

    Returns:
        A source with image uint8 [n, 48, 48, 3]; labels uint8 [n, 8], 1 for each class of `CLASSES`
        in the scene; shape int32 [n, 4], the classes in the order of their masks, filled up with
        -1; mask bool [n, 4, 48, 48], True where a shape covers at least half of a pixel.
    """
    arrays = {
        "image": np.empty((examples, SIZE, SIZE, 3), np.uint8),
        "labels": np.zeros((examples, len(CLASSES)), np.uint8),
        "shape": np.empty((examples, SLOTS), np.int32),
        "mask": np.empty((examples, SLOTS, SIZE, SIZE), bool),
    }
    for start in range(0, examples, _CHUNK):
        part = slice(start, min(start + _CHUNK, examples))
        words = random_words("scenes", split, seed, start=start, stop=part.stop, each=_WORDS)
        image, shape, mask = _render(words)
        arrays["image"][part], arrays["shape"][part], arrays["mask"][part] = image, shape, mask
        row, slot = np.nonzero(shape >= 0)
        arrays["labels"][start + row, shape[row, slot]] = 1
    return InMemorySource(arrays, class_names=CLASSES)


def _render(
    words: UInt64[np.ndarray, "b n"],
) -> tuple[
    UInt8[np.ndarray, "b h w 3"], Int32[np.ndarray, "b slots"], Bool[np.ndarray, "b slots h w"]
]:
    """Images, classes and masks from random words."""
    lengths = (_SCENE, SLOTS, len(CLASSES), SLOTS * _SHAPE, SLOTS * _COLOURS)
    of_scene, of_quarters, of_classes, of_shapes, colours, noise = np.split(
        words, np.cumsum(lengths), axis=1
    )
    draws = uniform(of_scene).T
    # Dark or light grounds, with which most colours contrast.
    ground = 0.4 * draws[1:4] + np.where(draws[0] < 0.5, 0.0, 0.6)
    ground = ground.T.astype(np.float32)
    right, down = _GRADIENT * (2 * draws[4:6] - 1)
    shade = gradient(right, down, SIZE)
    count = 1 + one_of(of_scene[:, 6], SLOTS)
    quarter = np.argsort(of_quarters, axis=1, kind="stable")
    shape = np.argsort(of_classes, axis=1, kind="stable")[:, :SLOTS].astype(np.int32)
    shape[np.arange(SLOTS)[None] >= count[:, None]] = -1

    image = ground[:, None, None, :] + shade[..., None]
    masks = []
    for slot in range(SLOTS):
        covered = _cover(
            shape[:, slot], quarter[:, slot], uniform(of_shapes[:, slot * _SHAPE :][:, :_SHAPE])
        )
        mine = colours[:, slot * _COLOURS :][:, :_COLOURS]
        colour = colour_on(ground, mine, contrast=_CONTRAST)
        image += covered[..., None] * (colour[:, None, None, :] - image)
        masks.append(covered >= 0.5)
    image += bell_noise(noise, SIZE, SIZE, 3, deviation=_NOISE)
    return to_bytes(image), shape, np.stack(masks, axis=1)


def _cover(
    shape: Int32[np.ndarray, " b"],
    quarter: np.ndarray,
    draws: Float64[np.ndarray, "b n"],
) -> Float32[np.ndarray, "b h w"]:
    """The share of each pixel that one shape of each scene covers."""
    roundness, scale, right, down, turns, _ = draws.T
    centre_x = (quarter % 2) - 0.5 + _OFFSET * (2 * right - 1)
    centre_y = (quarter // 2) - 0.5 + _OFFSET * (2 * down - 1)
    return coverage(
        shape,
        roundness=roundness,
        scale=_SCALE[0] + (_SCALE[1] - _SCALE[0]) * scale,
        centre=(centre_x, centre_y),
        cos_sin=cos_sin(turns),
        size=SIZE,
    )
