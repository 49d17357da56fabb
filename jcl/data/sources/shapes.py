"""`shapes`: the embedded dataset, generated, with nothing to download.

32x32 RGB images of one antialiased shape on a shaded background. The class is one of eight
shapes; the continuous target is the roundness of its corners. Position, scale, angle, colours,
background and noise are nuisances, drawn independently of both, in ranges under which raw
pixels are a poor guide to the class.

Bit-reproducible: randomness is the raw stream of a counter-based generator, and images are made
with elementwise IEEE operations only (+ - * / sqrt), whose results no CPU may vary; sine and
cosine are a polynomial for that reason, and there is no sum over pixels.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8, UInt64

from jcl.config.checks import check_count
from jcl.data.source import InMemorySource, check_image_size

CLASSES = ("disc", "triangle", "square", "hexagon", "ring", "plus", "five-petal", "half-disc")
SIZE = 32

_SCALE = (0.5, 0.8)  # circumscribed radius; the image spans [-1, 1]
_CENTRE = 0.2
_CONTRAST = 0.35  # difference in brightness between shape and background, at least
_LUMA = (0.299, 0.587, 0.114)  # brightness of the channels (ITU-R BT.601)
_GRADIENT = 0.15  # change of the background from the centre to an edge, at most
_NOISE = 0.04  # standard deviation, of 1

# 64-bit words an example: uniform draws; pairs of colours to choose from; two noise values each.
_DRAWS, _PAIRS, _NOISES = 16, 64, SIZE * SIZE * 3 // 2
_WORDS = _DRAWS + _PAIRS + _NOISES
_CHUNK = 128  # examples made at a time: small enough for the cache
_STREAM = {"train": 0, "test": 1}

_Map = Float32[np.ndarray, "b h w"]
_PerImage = Float32[np.ndarray, "b 1 1"]


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
        image_size: may say the size that the images have, 32.
        train_examples: number of training examples to generate.
        test_examples: number of test examples to generate.
    """
    check_count("data.train_examples", train_examples)
    check_count("data.test_examples", test_examples)
    check_image_size("shapes", image_size, (SIZE, SIZE, 3))
    return make_shapes(split, {"train": train_examples, "test": test_examples}[split])


def make_shapes(split: str, examples: int) -> InMemorySource:
    """Generates the first `examples` images of a split, about 5,000 a second on one core.

    Args:
        split: "train" or "test", which are independent streams.
        examples: how many. Example i is the same whatever their number.

    Returns:
        A source with image uint8 [n, 32, 32, 3], label int32 [n] (i mod 8, see `CLASSES`) and
        target float32 [n] in [0, 1): the roundness of the shape's corners.
    """
    label = (np.arange(examples) % len(CLASSES)).astype(np.int32)
    image = np.empty((examples, SIZE, SIZE, 3), np.uint8)
    target = np.empty(examples, np.float32)
    for start in range(0, examples, _CHUNK):
        part = slice(start, min(start + _CHUNK, examples))
        image[part], target[part] = _render(_words(split, start, part.stop), label[part])
    return InMemorySource(
        {"image": image, "label": label, "target": target},
        n_classes=len(CLASSES),
        class_names=CLASSES,
    )


def _words(split: str, start: int, stop: int) -> UInt64[np.ndarray, "b n"]:
    """The random words of examples start..stop: a function of split and example alone."""
    # A Philox counter yields four words, so example i begins at counter i * _WORDS / 4.
    generator = np.random.Philox(key=_STREAM[split], counter=start * (_WORDS // 4))
    return generator.random_raw((stop - start) * _WORDS).reshape(-1, _WORDS)


def _render(
    words: UInt64[np.ndarray, "b n"], label: Int32[np.ndarray, " b"]
) -> tuple[UInt8[np.ndarray, "b h w 3"], Float32[np.ndarray, " b"]]:
    """Images and targets from random words and classes."""
    draws = iter(((words[:, :_DRAWS] >> np.uint64(11)) * 2.0**-53).T)

    def uniform(low: float, high: float) -> Float64[np.ndarray, " b"]:
        return low + (high - low) * next(draws)

    roundness = uniform(0.0, 1.0)
    scale = uniform(*_SCALE)
    centre_x, centre_y = uniform(-_CENTRE, _CENTRE), uniform(-_CENTRE, _CENTRE)
    cos, sin = _cos_sin(next(draws))
    gradient_x, gradient_y = uniform(-_GRADIENT, _GRADIENT), uniform(-_GRADIENT, _GRADIENT)
    shape_colour, ground_colour = _colours(words[:, _DRAWS : _DRAWS + _PAIRS])

    def per_pixel(values: Float64[np.ndarray, " b"]) -> Float32[np.ndarray, "b 1 1"]:
        return values.astype(np.float32)[:, None, None]

    axis = ((np.arange(SIZE) + 0.5) * (2.0 / SIZE) - 1.0).astype(np.float32)
    x = (axis[None, None, :] - per_pixel(centre_x)) / per_pixel(scale)
    y = (axis[None, :, None] - per_pixel(centre_y)) / per_pixel(scale)
    u = x * per_pixel(cos) + y * per_pixel(sin)
    v = y * per_pixel(cos) - x * per_pixel(sin)
    distance = np.empty_like(u)
    for shape, signed_distance in enumerate(_SIGNED_DISTANCES):
        mine = label == shape
        distance[mine] = signed_distance(u[mine], v[mine], per_pixel(roundness)[mine])
    # A pixel is 2 / SIZE wide: coverage falls from 1 to 0 over one pixel around the edge.
    coverage = np.clip(0.5 - distance * per_pixel(scale * (SIZE / 2)), 0.0, 1.0)

    shade = axis[None, None, :] * per_pixel(gradient_x) + axis[None, :, None] * per_pixel(
        gradient_y
    )
    # Four random bytes sum to a bell curve of mean 510 and variance (256**2 - 1) / 3.
    bytes_ = words[:, -_NOISES:].astype("<u8").view(np.uint8).reshape(-1, SIZE, SIZE, 3, 4)
    noise = bytes_[..., 0].astype(np.float32)
    for i in (1, 2, 3):
        noise += bytes_[..., i]
    noise = (noise - 510.0) * np.float32(_NOISE / ((256**2 - 1) / 3) ** 0.5)

    ground = ground_colour[:, None, None, :] + shade[..., None]
    difference = shape_colour[:, None, None, :] - ground
    image = ground + coverage[..., None] * difference + noise
    pixels = np.clip(np.floor(image * 255.0 + 0.5), 0.0, 255.0).astype(np.uint8)
    return pixels, roundness.astype(np.float32)


def _colours(
    words: UInt64[np.ndarray, "b p"],
) -> tuple[Float32[np.ndarray, "b 3"], Float32[np.ndarray, "b 3"]]:
    """The first pair of uniform colours with enough contrast (else, 1 in 10**6, the best pair)."""
    pairs = words.astype("<u8").view(np.uint8).reshape(-1, _PAIRS, 8)[..., :6] / np.float32(255)
    red, green, blue = (pairs[..., :3] - pairs[..., 3:]).transpose(2, 0, 1)
    contrast = np.abs(_LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue)
    enough = contrast >= _CONTRAST
    chosen = np.where(enough.any(axis=1), enough.argmax(axis=1), contrast.argmax(axis=1))
    colours = pairs[np.arange(len(pairs)), chosen]
    return colours[:, :3], colours[:, 3:]


def _cos_sin(
    turns: Float64[np.ndarray, " b"],
) -> tuple[Float64[np.ndarray, " b"], Float64[np.ndarray, " b"]]:
    """Cosine and sine of an angle in turns, from [0, 1), to about 1e-10 (Taylor series)."""
    quarter = np.floor(turns * 4.0)
    angle = (turns * 4.0 - quarter - 0.5) * (np.pi / 2)  # [-pi/4, pi/4)
    square = angle * angle
    cos, sin = np.ones_like(angle), np.ones_like(angle)
    for i in (5, 4, 3, 2, 1):
        cos = 1.0 - cos * square / ((2 * i - 1) * (2 * i))
        sin = 1.0 - sin * square / ((2 * i) * (2 * i + 1))
    sin = sin * angle
    conditions = [quarter == 0, quarter == 1, quarter == 2]
    return (
        np.select(conditions, [cos, -sin, -cos], sin),
        np.select(conditions, [sin, cos, -sin], -cos),
    )


# Signed distances (negative inside) of shapes whose circumscribed radius is about 1, from
# coordinates and a roundness in [0, 1), all float32. A corner is rounded by a radius r as usual:
# the distance to the shape shrunk by r, less r. Ranges of r keep the classes apart: the roundest
# square is less round than the least round disc.


def _disc(x: _Map, y: _Map, roundness: _PerImage) -> _Map:
    return _box(x, y, 0.9, 0.9, 0.9 * (0.75 + 0.25 * roundness))


def _triangle(x: _Map, y: _Map, roundness: _PerImage) -> _Map:
    half = np.float32(3**0.5 / 2)
    radius = 0.24 * roundness
    apothem = 0.5 - radius
    # Fold the plane onto the bottom side: mirror left to right, then across the line through
    # the right corner, at -30 degrees.
    x = np.abs(x)
    over = np.maximum(0.5 * x + half * y, 0.0)
    x, y = x - over, y - 2.0 * half * over
    return _to_segment(np.abs(x), -y, apothem * (2.0 * half), apothem) - radius


def _square(x: _Map, y: _Map, roundness: _PerImage) -> _Map:
    return _box(x, y, 0.72, 0.72, 0.25 * roundness)


def _hexagon(x: _Map, y: _Map, roundness: _PerImage) -> _Map:
    half = np.float32(3**0.5 / 2)
    radius = 0.35 * roundness
    apothem = half - radius
    # The same with the top side and the line through its right corner, at 60 degrees.
    x, y = np.abs(x), np.abs(y)
    over = np.maximum(half * x - 0.5 * y, 0.0)
    x, y = x - 2.0 * half * over, y + over
    return _to_segment(np.abs(x), y, apothem * np.float32(3**-0.5), apothem) - radius


def _ring(x: _Map, y: _Map, roundness: _PerImage) -> _Map:
    outer = _box(x, y, 0.9, 0.9, 0.9 * (0.75 + 0.25 * roundness))
    return np.maximum(outer, -_box(x, y, 0.45, 0.45, 0.45 * (0.6 + 0.4 * roundness)))


def _plus(x: _Map, y: _Map, roundness: _PerImage) -> _Map:
    radius = 0.26 * roundness
    return np.minimum(_box(x, y, 0.95, 0.3, radius), _box(x, y, 0.3, 0.95, radius))


def _five_petal(x: _Map, y: _Map, roundness: _PerImage) -> _Map:
    radius = np.sqrt(x * x + y * y)
    cos = x / np.maximum(radius, 1e-6)
    cos2 = cos * cos
    cos5 = ((16.0 * cos2 - 20.0) * cos2 + 5.0) * cos  # cos of five times the angle
    depth = 0.3 - 0.14 * roundness
    # Not a distance but the radial gap; the edge leans, so it is steeper than one pixel.
    return 0.75 * (radius - (0.95 - depth) - depth * cos5)


def _half_disc(x: _Map, y: _Map, roundness: _PerImage) -> _Map:
    radius = 0.25 * roundness
    y = y + 0.4  # roughly centred
    # The disc of radius 1 - r, above the line y = r, has corners where the two meet.
    rim = 1.0 - radius
    corner = np.sqrt(np.maximum(rim * rim - radius * radius, 0.0))
    x = np.abs(x)
    distance = np.maximum(np.sqrt(x * x + y * y) - rim, radius - y)
    # The corner is nearest in the wedge between the normals of line and rim.
    dx, dy = x - corner, y - radius
    beyond = (dx > 0.0) & (y < radius + dx * radius / np.maximum(corner, 1e-6))
    return np.where(beyond, np.sqrt(dx * dx + dy * dy), distance) - radius


def _box(x: _Map, y: _Map, width: float, height: float, radius: _PerImage) -> _Map:
    """Rectangle of half-sides width and height with corners rounded by radius."""
    dx, dy = np.abs(x) - (width - radius), np.abs(y) - (height - radius)
    outside_x, outside_y = np.maximum(dx, 0.0), np.maximum(dy, 0.0)
    outside = np.sqrt(outside_x * outside_x + outside_y * outside_y)
    return outside + np.minimum(np.maximum(dx, dy), 0.0) - radius


def _to_segment(x: _Map, y: _Map, half_length: _PerImage, height: _PerImage) -> _Map:
    """Signed distance to the side |x| <= half_length at y = height; negative below it."""
    along, above = np.maximum(x - half_length, 0.0), y - height
    return np.where(above > 0.0, np.sqrt(along * along + above * above), above)


_SIGNED_DISTANCES: tuple[Callable[[_Map, _Map, _PerImage], _Map], ...] = (
    _disc,
    _triangle,
    _square,
    _hexagon,
    _ring,
    _plus,
    _five_petal,
    _half_disc,
)
