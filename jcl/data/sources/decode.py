"""From the bytes of an image file to pixels, optionally resized to one size.

Pillow decodes, even if the machine has OpenCV, because the two decode JPEG to different pixels. A
file's EXIF orientation is applied; TensorFlow and torchvision ignore it. If a file has several
images, the first is used.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import PIL.Image
from jaxtyping import UInt8, UInt16
from PIL.ExifTags import Base

from jcl.data.sources.image_file import load_image, open_image
from jcl.data.sources.pixels import MODES, to_mode
from jcl.data.sources.scientific import decode_scientific
from jcl.errors import UserError

_Box = tuple[float, float, float, float]  # left, top, right, bottom

_TURN = PIL.Image.Transpose
_ORIENTATIONS = {
    2: _TURN.FLIP_LEFT_RIGHT,
    3: _TURN.ROTATE_180,
    4: _TURN.FLIP_TOP_BOTTOM,
    5: _TURN.TRANSPOSE,
    6: _TURN.ROTATE_270,
    7: _TURN.TRANSVERSE,
    8: _TURN.ROTATE_90,
}
# Keys of Pillow's metadata that may hold the orientation.
_EXIF = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}
# Orientations in which the right (or bottom) of the file is the left (or top) of the picture.
_FROM_RIGHT, _FROM_BOTTOM = (2, 3, 7, 8), (3, 4, 6, 7)


def decode_image(
    encoded: bytes,
    *,
    channels: int | None,
    image_size: int | None = None,
    image_range: tuple[float | int, ...] | None = None,
) -> UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]:
    """Decodes an image file of any format of `jcl.data.sources.image_file`.

    Args:
        encoded: the bytes of the file.
        channels: 1 (grey), 3 (RGB) or 4 (with transparency); other images are converted by the
            rules of `jcl.data.sources.pixels`. With `image_range`, any number, which the image must
            have; None then takes the image's own number.
        image_size: the shorter side is resized to this many pixels and the centre square is cut
            out; an image of this size is not changed. None does not change any image.
        image_range: the values of black and white; the result is uint16, in which they are 0 and
            65535. None makes it uint8.

    Raises:
        ValueError: the file is not an image, is damaged, or has another number of channels.
    """
    try:
        if image_range is not None:
            return decode_scientific(encoded, image_range, channels=channels, image_size=image_size)
        return _decode(encoded, channels, image_size)
    except Exception as error:  # Pillow's plugins and tifffile raise errors of many types
        detail = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(detail) from error


def decode_images(
    files: Iterable[tuple[str, bytes]],
    *,
    count: int,
    shape: tuple[int, int, int],
    image_size: int | None,
    image_range: tuple[float | int, ...] | None = None,
) -> UInt8[np.ndarray, "n h w c"] | UInt16[np.ndarray, "n h w c"]:
    """Decodes images that must have one shape.

    Args:
        files: the name of each image for messages, and the bytes of its file.
        count: number of images.
        shape: (H, W, C) of each.
        image_size: as `decode_image` takes it.
        image_range: as `decode_image` takes it.

    Raises:
        UserError: names the image that cannot be decoded or has another shape.
    """
    images = np.empty((count, *shape), np.uint8 if image_range is None else np.uint16)
    options = {"channels": shape[-1], "image_size": image_size, "image_range": image_range}
    for row, (name, encoded) in zip(images, files, strict=True):
        image = decode_named(name, encoded, **options)
        if image.shape != shape:
            raise UserError(
                f"{name} has the shape {image.shape}, but others have {shape}: all must be equal, "
                "or data.image_size must set the size to which images are resized"
            )
        row[:] = image
    return images


def decode_named(
    name: str, encoded: bytes, **options: Any
) -> UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]:
    """`decode_image` with errors that name the image.

    Raises:
        UserError: the image cannot be decoded.
    """
    try:
        return decode_image(encoded, **options)
    except ValueError as error:
        raise UserError(f"{name} cannot be decoded: {error}") from error


def oriented_size(image: PIL.Image.Image) -> tuple[int, int]:
    """Width and height after EXIF orientation; the image need not be decoded.

    A PNG may have its orientation behind its pixels; it is then not found.
    """
    width, height = image.size
    return (height, width) if orientation(image) >= 5 else (width, height)


def orientation(image: PIL.Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 if there is no valid one or Pillow applies it."""
    if not image.info.keys() & _EXIF or image.format == "TIFF":
        return 1
    try:
        found = image.getexif().get(Base.Orientation, 1)
    except Exception:  # Pillow raises many errors for damaged EXIF, which does not affect pixels
        return 1
    return found if found in _ORIENTATIONS else 1


def _decode(encoded: bytes, channels: int, image_size: int | None) -> UInt8[np.ndarray, "h w c"]:
    with open_image(encoded) as image:
        width, height = image.size
        # Decoding takes most of the time. libjpeg decodes at 1/2, 1/4 or 1/8 of the size faster,
        # and
        # Pillow takes the smallest that is still large enough. This has no effect on a PNG.
        area = None if image_size is None else image.draft(None, (image_size, image_size))
        load_image(image)
        turn = orientation(image)  # after loading, because a PNG may have it at its end
        # Before resizing: the numbers of a palette cannot be averaged.
        pixels = to_mode(image, MODES[channels])
        if image_size is not None:
            if area is None:
                width, height = image.size  # a TIFF is turned when it is loaded
            # The area of the reduced image that holds the whole image; it may end within the last
            # pixel.
            scale = area[1][2] / width if area else 1.0
            square = (scale * x for x in _centre_square(width, height, turn))
            pixels = _cut(pixels, tuple(square), image_size)
        if turn in _ORIENTATIONS:
            pixels = pixels.transpose(_ORIENTATIONS[turn])
        # Faster than np.asarray(pixels), which matters for small images.
        values = np.frombuffer(pixels.tobytes(), np.uint8)
        return values.reshape(pixels.height, pixels.width, channels)


def _centre_square(width: int, height: int, turn: int) -> tuple[int, int, int, int]:
    """The position of the picture's centre square in the file.

    It starts at a whole pixel, so that nothing is interpolated if its side already has the size. If
    it cannot be exactly in the middle, it is nearer to the top left of the picture.
    """
    side = min(width, height)
    left = (width - side + (turn in _FROM_RIGHT)) // 2
    top = (height - side + (turn in _FROM_BOTTOM)) // 2
    return left, top, left + side, top + side


def _cut(image: PIL.Image.Image, square: _Box, size: int) -> PIL.Image.Image:
    """The content of a square of any position and side, resized to `size` x `size` pixels."""
    left, top, right, _ = square
    if right - left == size and left % 1 == top % 1 == 0:
        return image.crop(square)  # resizing would change transparent pixels
    # Bicubic with antialiasing, as in the ImageNet evaluation of SimCLR, BYOL and DINO: views are
    # resampled once more, and a box or bilinear filter would blur details that they still need.
    # Pillow's filter reads pixels outside of the square, as if the whole image were resized.
    return image.resize((size, size), PIL.Image.Resampling.BICUBIC, box=square)
