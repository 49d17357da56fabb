"""Colours, noise and gradients of generated images, with the same results on every CPU.

The functions use only elementwise IEEE operations (+ - * / sqrt). For this reason sine and cosine
are polynomials, and there is no sum over pixels.
"""

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8, UInt64


def contrasting_colours(
    words: UInt64[np.ndarray, "b p"], *, contrast: float
) -> tuple[Float32[np.ndarray, "b 3"], Float32[np.ndarray, "b 3"]]:
    """The first pair of uniformly drawn colours with enough contrast, or the best pair.

    Args:
        words: one per pair. The probability that 64 pairs all have a contrast below 0.35 is 10**-6.
        contrast: smallest difference in brightness.
    """
    pairs = words.astype("<u8").view(np.uint8).reshape(*words.shape, 8)[..., :6] / np.float32(255)
    found = np.abs(luma(pairs[..., :3] - pairs[..., 3:]))
    colours = pairs[np.arange(len(pairs)), _first_enough(found, contrast)]
    return colours[:, :3], colours[:, 3:]


def colour_on(
    ground: Float32[np.ndarray, "b 3"], words: UInt64[np.ndarray, "b p"], *, contrast: float
) -> Float32[np.ndarray, "b 3"]:
    """The first uniformly drawn colour with enough contrast to a ground, or the best one.

    Args:
        ground: the colour of the ground.
        words: one per colour to choose from.
        contrast: smallest difference in brightness.
    """
    bytes_ = words.astype("<u8").view(np.uint8).reshape(*words.shape, 8)
    colours = bytes_[..., :3] / np.float32(255)
    found = np.abs(luma(colours) - luma(ground)[:, None])
    return colours[np.arange(len(words)), _first_enough(found, contrast)]


def luma(colours: Float32[np.ndarray, "*n 3"]) -> Float32[np.ndarray, "*n"]:
    """Brightness (ITU-R BT.601)."""
    return 0.299 * colours[..., 0] + 0.587 * colours[..., 1] + 0.114 * colours[..., 2]


def _first_enough(found: Float32[np.ndarray, "b p"], contrast: float) -> Int64[np.ndarray, " b"]:
    enough = found >= contrast
    return np.where(enough.any(axis=1), enough.argmax(axis=1), found.argmax(axis=1))


def bell_noise(
    words: UInt64[np.ndarray, "b n"], *shape: int, deviation: float
) -> Float32[np.ndarray, "b ..."]:
    """Bell-shaped noise around 0.

    Args:
        words: n per row; each word makes two numbers.
        *shape: shape of the result of each row, with 2 n numbers.
        deviation: standard deviation.
    """
    # The sum of four random bytes is bell-shaped, with mean 510 and variance (256**2 - 1) / 3.
    bytes_ = words.astype("<u8").view(np.uint8).reshape(-1, *shape, 4)
    noise = bytes_[..., 0].astype(np.float32)
    for i in (1, 2, 3):
        noise += bytes_[..., i]
    return (noise - 510.0) * np.float32(deviation / ((256**2 - 1) / 3) ** 0.5)


def to_bytes(image: Float32[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Rounds 0...1 to bytes 0...255."""
    return np.clip(np.floor(image * 255.0 + 0.5), 0.0, 255.0).astype(np.uint8)


def cos_sin(
    turns: Float64[np.ndarray, " b"],
) -> tuple[Float64[np.ndarray, " b"], Float64[np.ndarray, " b"]]:
    """Cosine and sine of an angle in turns, in [0, 1), to about 1e-10 (Taylor series)."""
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


def pixel_axis(size: int) -> Float32[np.ndarray, " size"]:
    """The centres of `size` pixels in [-1, 1]."""
    return ((np.arange(size) + 0.5) * (2.0 / size) - 1.0).astype(np.float32)


def per_image(values: Float64[np.ndarray, " b"]) -> Float32[np.ndarray, "b 1 1"]:
    """One number per image, in a shape that broadcasts with maps [b, h, w]."""
    return values.astype(np.float32)[:, None, None]


def gradient(
    right: Float64[np.ndarray, " b"], down: Float64[np.ndarray, " b"], size: int
) -> Float32[np.ndarray, "b size size"]:
    """A shade that changes linearly from the middle of an image to its right and lower edge."""
    axis = pixel_axis(size)
    return axis[None, None, :] * per_image(right) + axis[None, :, None] * per_image(down)
