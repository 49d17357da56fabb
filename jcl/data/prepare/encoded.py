"""Image files as datasets store them: PNG or JPEG of one number of channels."""

import io
from pathlib import Path

import PIL.Image

from jcl.errors import UserError

_MODES = {1: "L", 3: "RGB"}
_STORED = ("PNG", "JPEG")
FORMATS = (*_STORED, "WEBP")


def read_encoded(path: Path, channels: int) -> bytes:
    """The file's own bytes where it has that many channels, else the same image as PNG.

    Keeping the bytes loses nothing and keeps photographs small.

    Args:
        path: of a PNG, JPEG or WebP file.
        channels: 1 or 3.

    Raises:
        UserError: where there is no such file, or it is not an image, or is damaged.
    """
    try:
        return encoded(path.read_bytes(), channels)
    except FileNotFoundError:
        raise UserError(f"the image {path} does not exist") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path} is not an image or a damaged one: {error}") from error


def encoded(file: bytes, channels: int) -> bytes:
    """The same of what a file holds.

    Raises:
        OSError, SyntaxError or ValueError: not an image, or a damaged one.
    """
    with PIL.Image.open(io.BytesIO(file), formats=FORMATS) as image:
        image.load()
        if image.mode == _MODES[channels] and image.format in _STORED:
            return file
        written = io.BytesIO()
        image.convert(_MODES[channels]).save(written, format="png")
        return written.getvalue()
