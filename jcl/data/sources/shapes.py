"""`shapes`: a generated dataset, with nothing to download.

The images are 32x32 RGB, with one antialiased shape on a shaded background. The class is one of
eight shapes; the continuous target is the roundness of its corners. Position, scale, angle,
colours, background and noise are nuisances, drawn independently of both. Their ranges are so wide
that raw pixels predict the class poorly.

The images are bit-reproducible: random numbers are the raw stream of a counter-based generator, and
images are made with the operations of `jcl/data/sources/painting.py`, which give the same results
on every CPU.
"""

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8, UInt64

from jcl.config.checks import check_count
from jcl.data.source import InMemorySource, check_image_size
from jcl.data.sources.outlines import CLASSES, coverage
from jcl.data.sources.painting import bell_noise, contrasting_colours, cos_sin, gradient, to_bytes

SIZE = 32

_SCALE = (0.5, 0.8)  # circumscribed radius; the image spans [-1, 1]
_CENTRE = 0.2
_CONTRAST = 0.35  # smallest difference in brightness between shape and background
_GRADIENT = 0.15  # largest change of the background from the centre to an edge
_NOISE = 0.04  # standard deviation, of 1

# 64-bit words per example: uniform draws; pairs of colours to choose from; two noise values each.
_DRAWS, _PAIRS, _NOISES = 16, 64, SIZE * SIZE * 3 // 2
_WORDS = _DRAWS + _PAIRS + _NOISES
_CHUNK = 128  # examples made at a time: small enough for the cache
_STREAM = {"train": 0, "test": 1}


def shapes_source(
    split: str,
    *,
    image_size: int | None = None,
    train_examples: int = 10_000,
    test_examples: int = 2_000,
) -> InMemorySource:
    """`data.name="shapes"`.

    Args:
        split: "train" or "test".
        image_size: None, or the size that the images have, 32.
        train_examples: number of training examples to generate.
        test_examples: number of test examples to generate.
    """
    check_count("data.train_examples", train_examples)
    check_count("data.test_examples", test_examples)
    check_image_size("shapes", image_size, (SIZE, SIZE, 3))
    return make_shapes(split, {"train": train_examples, "test": test_examples}[split])


def make_shapes(
    split: str, examples: int, *, first: int = 0, scale: tuple[float, float] = _SCALE
) -> InMemorySource:
    """Generates images of a split, about 5,000 per second on one core.

    Args:
        split: "train" or "test", which are independent streams.
        examples: number of images. Example i does not depend on it.
        first: the position of the first image in the split.
        scale: smallest and largest radius; the image spans [-1, 1].

    Returns:
        A source with image uint8 [n, 32, 32, 3], label int32 [n] (position mod 8, see `CLASSES`)
        and target float32 [n] in [0, 1): the roundness of the shape's corners.
    """
    label = ((first + np.arange(examples)) % len(CLASSES)).astype(np.int32)
    image = np.empty((examples, SIZE, SIZE, 3), np.uint8)
    target = np.empty(examples, np.float32)
    for start in range(0, examples, _CHUNK):
        part = slice(start, min(start + _CHUNK, examples))
        image[part], target[part] = _render(
            _words(split, first + start, first + part.stop), label[part], scale
        )
    return InMemorySource(
        {"image": image, "label": label, "target": target},
        n_classes=len(CLASSES),
        class_names=CLASSES,
    )


def _words(split: str, start: int, stop: int) -> UInt64[np.ndarray, "b n"]:
    """The random words of examples start..stop, which depend only on split and example."""
    # A Philox counter yields four words, so example i begins at counter i * _WORDS / 4.
    generator = np.random.Philox(key=_STREAM[split], counter=start * (_WORDS // 4))
    return generator.random_raw((stop - start) * _WORDS).reshape(-1, _WORDS)


def _render(
    words: UInt64[np.ndarray, "b n"], label: Int32[np.ndarray, " b"], scale: tuple[float, float]
) -> tuple[UInt8[np.ndarray, "b h w 3"], Float32[np.ndarray, " b"]]:
    """Images and targets from random words, classes and the range of the scale."""
    draws = iter(((words[:, :_DRAWS] >> np.uint64(11)) * 2.0**-53).T)

    def uniform(low: float, high: float) -> Float64[np.ndarray, " b"]:
        return low + (high - low) * next(draws)

    roundness = uniform(0.0, 1.0)
    scale = uniform(*scale)
    centre = uniform(-_CENTRE, _CENTRE), uniform(-_CENTRE, _CENTRE)
    turned = cos_sin(next(draws))
    gradient_x, gradient_y = uniform(-_GRADIENT, _GRADIENT), uniform(-_GRADIENT, _GRADIENT)
    shape_colour, ground_colour = contrasting_colours(
        words[:, _DRAWS : _DRAWS + _PAIRS], contrast=_CONTRAST
    )

    covered = coverage(
        label,
        roundness=roundness,
        scale=scale,
        centre=centre,
        cos_sin=turned,
        size=SIZE,
    )
    shade = gradient(gradient_x, gradient_y, SIZE)
    noise = bell_noise(words[:, -_NOISES:], SIZE, SIZE, 3, deviation=_NOISE)
    ground = ground_colour[:, None, None, :] + shade[..., None]
    difference = shape_colour[:, None, None, :] - ground
    image = ground + covered[..., None] * difference + noise
    return to_bytes(image), roundness.astype(np.float32)
