"""From the bytes of an image file to pixels, brought to one size where that is asked.

Pillow decodes, whether or not the machine has OpenCV: the two decode JPEG to different pixels.
"""

import io

import numpy as np
import PIL.Image
from jaxtyping import UInt8

_Box = tuple[float, float, float, float]  # left, top, right, bottom

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def decode_image(
    encoded: bytes, *, channels: int, image_size: int | None = None
) -> UInt8[np.ndarray, "h w c"]:
    """Decodes a PNG or JPEG file.

    Args:
        encoded: what the file holds.
        channels: 1 (grey), 3 (RGB) or 4 (with transparency); an image of another kind is converted.
        image_size: resize the shorter side to so many pixels and cut out the centre square; an
            image of that size is left as it is, bit for bit. None leaves every image as it is.

    Raises:
        OSError, SyntaxError or ValueError: not a PNG or JPEG file, or a damaged one.
    """
    mode = _MODES[channels]
    with PIL.Image.open(io.BytesIO(encoded), formats=("PNG", "JPEG")) as image:
        square = None if image_size is None else _draft_centre_square(image, image_size)
        # Before resizing: the numbers of a palette cannot be averaged.
        pixels = image if image.mode == mode else image.convert(mode)
        if square is not None:
            pixels = _cut(pixels, square, image_size)
        # Faster than np.asarray(pixels), which matters for small images.
        values = np.frombuffer(pixels.tobytes(), np.uint8)
        return values.reshape(pixels.height, pixels.width, channels)


def _draft_centre_square(image: PIL.Image.Image, size: int) -> _Box:
    """Has a JPEG decoded no larger than needed, and says where the centre square then lies.

    Most of the time goes into decoding, which libjpeg does at 1/2, 1/4 or 1/8 of the size for
    less: Pillow takes the smallest that still holds `size` both ways. Nothing for a PNG.

    Returns:
        The square in pixels of what will be decoded. In the file it starts at a whole pixel, so
        nothing is interpolated where its side is `size` already.
    """
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    # The area in which the reduced image holds the whole, which may end within its last pixel.
    _, (_, _, reduced_width, _) = image.draft(None, (size, size)) or (None, (0, 0, width, height))
    scale = reduced_width / width
    return left * scale, top * scale, (left + side) * scale, (top + side) * scale


def _cut(image: PIL.Image.Image, square: _Box, size: int) -> PIL.Image.Image:
    """What is inside a square of any position and side, as `size` pixels each way."""
    left, top, right, _ = square
    if right - left == size and left % 1 == top % 1 == 0:
        return image.crop(square)  # resizing would change what is transparent
    # Bicubic with antialiasing, as SimCLR, BYOL and DINO evaluate on ImageNet: views are resampled
    # once more, and a box or bilinear filter would blur what they still need. Pillow's filter
    # looks across the edges of the square, as if the whole image were resized.
    return image.resize((size, size), PIL.Image.Resampling.BICUBIC, box=square)
