"""`textured`: shapes over textures (the targets), and textures alone (the background).

The images are 32x32 RGB like those of `shapes`, on one of four textures that is drawn independently
of the shape. In the training split a share of the images has no shape. Methods of contrastive
analysis should find what the other images have besides the texture. Every test image has a shape.

The images are bit-reproducible, like `shapes`.
"""

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, UInt8, UInt64

from jcl.config.checks import check_count, check_probability
from jcl.data.draws import one_of, random_words, uniform
from jcl.data.source import InMemorySource, check_image_size
from jcl.data.sources.outlines import CLASSES, coverage
from jcl.data.sources.painting import (
    bell_noise,
    contrasting_colours,
    cos_sin,
    per_image,
    pixel_axis,
    to_bytes,
)

SIZE = 32
TEXTURES = ("stripes", "checks", "rings", "dots")
NOTHING = len(CLASSES)  # the class of a texture alone

_SCALE, _CENTRE = (0.5, 0.8), 0.2
_CONTRAST = 0.5  # of the shape to the texture's mean colour
_DEPTH = 0.18  # amplitude of the texture in brightness; the contrast left is that of `shapes`
_PERIODS = (2.5, 4.0)  # across the image
_NOISE = 0.04

_DRAWS, _PAIRS, _NOISES = 16, 64, SIZE * SIZE * 3 // 2
_WORDS = _DRAWS + _PAIRS + _NOISES
_CHUNK = 128


def textured_source(
    split: str,
    *,
    image_size: int | None = None,
    train_examples: int = 10_000,
    test_examples: int = 2_000,
    background_share: float = 0.5,
    seed: int = 0,
) -> InMemorySource:
    """`data.name="textured"`.

    Args:
        split: "train" or "test".
        image_size: None, or the size that the images have, 32.
        train_examples: number of training examples to generate.
        test_examples: number of test examples to generate.
        background_share: share of the training examples that are textures alone.
        seed: of the generator: another one draws another dataset.
    """
    check_count("data.train_examples", train_examples)
    check_count("data.test_examples", test_examples)
    check_image_size("textured", image_size, (SIZE, SIZE, 3))
    check_probability("data.background_share", background_share)
    if split == "test":
        return make_textured(split, test_examples, background_share=0.0, seed=seed)
    return make_textured(split, train_examples, background_share=background_share, seed=seed)


def make_textured(
    split: str, examples: int, *, background_share: float, seed: int = 0
) -> InMemorySource:
    """Generates the first `examples` images of a split, about 5,000 per second on one core.

    Args:
        split: "train" or "test", which are independent streams.
        examples: number of images. Example i does not depend on it.
        background_share: probability that an image has no shape.
        seed: of the generator.

    Returns:
        A source with image uint8 [n, 32, 32, 3]; label int32 [n], i mod 8 as in `shapes` or 8 for
        a texture alone; texture int32 [n], a position in `TEXTURES`; background bool [n], True for
        a texture alone; mask bool [n, 32, 32], True where the shape covers at least half of a
        pixel; target float32 [n], the roundness of the shape, without meaning if there is none.
    """
    arrays = {
        "image": np.empty((examples, SIZE, SIZE, 3), np.uint8),
        "label": (np.arange(examples) % len(CLASSES)).astype(np.int32),
        "texture": np.empty(examples, np.int32),
        "background": np.empty(examples, bool),
        "mask": np.empty((examples, SIZE, SIZE), bool),
        "target": np.empty(examples, np.float32),
    }
    for start in range(0, examples, _CHUNK):
        part = slice(start, min(start + _CHUNK, examples))
        words = random_words("textured", split, seed, start=start, stop=part.stop, each=_WORDS)
        alone = uniform(words[:, 0]) < background_share
        arrays["background"][part] = alone
        arrays["label"][part][alone] = NOTHING
        rest = _render(words, arrays["label"][part])
        for key, values in zip(("image", "texture", "mask", "target"), rest, strict=True):
            arrays[key][part] = values
    return InMemorySource(
        arrays, n_classes=len(CLASSES) + 1, class_names=(*CLASSES, "texture alone")
    )


def _render(
    words: UInt64[np.ndarray, "b n"], label: Int32[np.ndarray, " b"]
) -> tuple[
    UInt8[np.ndarray, "b h w 3"],
    Int32[np.ndarray, " b"],
    Bool[np.ndarray, "b h w"],
    Float32[np.ndarray, " b"],
]:
    """Images, textures, masks and targets from random words and classes."""
    draws = uniform(words[:, :_DRAWS]).T
    texture = one_of(words[:, 1], len(TEXTURES))
    pattern = _pattern(texture, draws[2:6])
    roundness = draws[6]
    covered = coverage(
        label,
        roundness=roundness,
        scale=_SCALE[0] + (_SCALE[1] - _SCALE[0]) * draws[7],
        centre=(_CENTRE * (2 * draws[8] - 1), _CENTRE * (2 * draws[9] - 1)),
        cos_sin=cos_sin(draws[10]),
        size=SIZE,
    )
    shape_colour, ground_colour = contrasting_colours(
        words[:, _DRAWS : _DRAWS + _PAIRS], contrast=_CONTRAST
    )
    ground = ground_colour[:, None, None, :] + np.float32(_DEPTH) * pattern[..., None]
    image = ground + covered[..., None] * (shape_colour[:, None, None, :] - ground)
    image += bell_noise(words[:, -_NOISES:], SIZE, SIZE, 3, deviation=_NOISE)
    return to_bytes(image), texture, covered >= 0.5, roundness.astype(np.float32)


def _pattern(
    texture: Int32[np.ndarray, " b"], draws: Float64[np.ndarray, "4 b"]
) -> Float32[np.ndarray, "b h w"]:
    """Textures in [-1, 1], each rotated, scaled and shifted at random."""
    axis = pixel_axis(SIZE)
    cos, sin = map(per_image, cos_sin(draws[0]))
    periods = per_image((_PERIODS[0] + (_PERIODS[1] - _PERIODS[0]) * draws[1]) / 2)
    x, y = axis[None, None, :], axis[None, :, None]
    u = (x * cos + y * sin) * periods + per_image(draws[2])
    v = (y * cos - x * sin) * periods + per_image(draws[3])
    off_u, off_v = u - np.floor(u) - np.float32(0.5), v - np.floor(v) - np.float32(0.5)
    radius = np.sqrt(u * u + v * v)
    patterns = {
        "stripes": _triangle_wave(u),
        "checks": np.clip(4 * _triangle_wave(u) * _triangle_wave(v), -1, 1),
        "rings": _triangle_wave(radius),
        "dots": np.clip(2 - 6 * np.sqrt(off_u * off_u + off_v * off_v), -1, 1),
    }
    made = np.empty(u.shape, np.float32)
    for i, name in enumerate(TEXTURES):
        mine = texture == i
        made[mine] = patterns[name][mine]
    return made


def _triangle_wave(t: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """From 1 to -1 and back, once in each unit of t."""
    return 2 * np.abs(2 * (t - np.floor(t)) - 1) - 1
