"""Image files as records store them: PNG or JPEG with a given number of channels."""

import io

import numpy as np
import PIL.Image
from jaxtyping import UInt8

from jcl.data.sources.decode import decode_image
from jcl.data.sources.image_file import open_image
from jcl.data.sources.pixels import MODES


def encoded(file: bytes, channels: int) -> bytes:
    """The file's own bytes if they are a PNG or JPEG with this many channels, else a new PNG.

    Keeping the bytes is lossless and keeps photographs small.

    Args:
        file: the bytes of an image file in any format of `jcl.data.sources.image_file`.
        channels: 1, 3 or 4.

    Raises:
        ValueError: not an image, or a damaged one.
    """
    pixels = decode_image(file, channels=channels)
    with open_image(file) as image:
        usual = image.format in ("PNG", "JPEG", "MPO") and not image.has_transparency_data
        if usual and image.mode == MODES[channels]:
            return file
    return encode_png(pixels)


def encode_png(image: UInt8[np.ndarray, "h w c"]) -> bytes:
    """The bytes of a PNG file of an image of 1, 3 or 4 channels."""
    written = io.BytesIO()
    PIL.Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(written, "png")
    return written.getvalue()
