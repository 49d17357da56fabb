"""The outlines of eight classes of shapes, as signed distances of float32 coordinates."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Float64, Integer

from jcl.data.sources.painting import per_image, pixel_axis

CLASSES = ("disc", "triangle", "square", "hexagon", "ring", "plus", "five-petal", "half-disc")

_Map = Float32[np.ndarray, "b h w"]
_PerImage = Float32[np.ndarray, "b 1 1"]
_Numbers = Float64[np.ndarray, " b"]


def coverage(
    shape: Integer[np.ndarray, " b"],
    *,
    roundness: _Numbers,
    scale: _Numbers,
    centre: tuple[_Numbers, _Numbers],
    cos_sin: tuple[_Numbers, _Numbers],
    size: int,
) -> Float32[np.ndarray, "b size size"]:
    """The share of each pixel that one shape covers, in an image that spans [-1, 1].

    Args:
        shape: the class, a position in `CLASSES`; another number covers nothing.
        roundness: of the corners, in [0, 1).
        scale: approximate radius of the circumscribed circle.
        centre: x, to the right, and y, down.
        cos_sin: of the angle by which the shape is rotated.
        size: pixels per side.

    Returns:
        float32 in [0, 1], which falls from 1 to 0 over one pixel around the edge.
    """
    axis = pixel_axis(size)
    cos, sin = map(per_image, cos_sin)
    x = (axis[None, None, :] - per_image(centre[0])) / per_image(scale)
    y = (axis[None, :, None] - per_image(centre[1])) / per_image(scale)
    u = x * cos + y * sin
    v = y * cos - x * sin
    distance = np.full_like(u, np.inf)
    for name, signed_distance in enumerate(SIGNED_DISTANCES):
        mine = shape == name
        distance[mine] = signed_distance(u[mine], v[mine], per_image(roundness)[mine])
    # A pixel is 2 / size wide.
    return np.clip(0.5 - distance * per_image(scale * (size / 2)), 0.0, 1.0)


# Signed distances (negative inside) of shapes whose circumscribed radius is about 1, from
# coordinates and a roundness in [0, 1), all float32. Corners are rounded by a radius r: the
# distance
# is that to the shape shrunk by r, minus r. The ranges of r keep the classes distinct: the roundest
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
    # This is the radial gap instead of the distance. The edge is slanted, so it is steeper than one
    # pixel.
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


SIGNED_DISTANCES: tuple[Callable[[_Map, _Map, _PerImage], _Map], ...] = (
    _disc,
    _triangle,
    _square,
    _hexagon,
    _ring,
    _plus,
    _five_petal,
    _half_disc,
)
