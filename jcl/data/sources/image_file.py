"""Opens image files of every format that Pillow decodes by itself, however large, whatever text.

Pillow refuses images of more than 179 million pixels and PNG files whose text is longer than 1 MiB,
as a guard for servers that strangers send files to. Whoever trains on a scan of a slide brought it.
"""

import contextlib
import functools
import io
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import PIL.Image

# The most pixels an image may have: 3 GiB as RGB. What is larger is refused and named.
MAX_PIXELS = 2**30

# Pillow's names, those that are tried first in front. Without EPS, which another program would
# draw, and without formats that Pillow only identifies (BUFR, GRIB, HDF5, MPEG, WMF).
FORMATS = (
    *("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "JPEG2000", "AVIF", "PPM", "DIB", "ICO", "CUR"),
    *("ICNS", "PSD", "DDS", "QOI", "PCX", "DCX", "SGI", "SUN", "XBM", "XPM", "MSP", "IM", "BLP"),
    *("FTEX", "FITS", "FLI", "GBR", "MCIDAS", "PCD", "PIXAR", "SPIDER", "XVTHUMB", "TGA"),
)
_PNG = b"\x89PNG\r\n\x1a\n"
# Text and a colour profile, which no pixel depends on here.
_REMARKS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
_LIMIT = threading.Lock()  # Pillow has one for the process, in which threads decode


def open_image(file: bytes | Path) -> PIL.Image.Image:
    """Opens an image; its pixels are decoded by `load_image`.

    Args:
        file: what it holds; or its path, of which only as much is read as the size and mode need.
            Of a PNG, texts are left out before they can be too long.

    Raises:
        ValueError: no image, or more than `MAX_PIXELS` pixels.
        Exception: a damaged image: Pillow's plugins raise errors of many types.
    """
    with _without_limit():
        try:
            image = _open_path(file) if isinstance(file, Path) else _open_bytes(file)
        except PIL.UnidentifiedImageError as error:
            raise ValueError("it is no image of a format that Pillow decodes") from error
    if image.width * image.height > MAX_PIXELS:
        size = f"{image.width}x{image.height}"
        raise ValueError(f"it has {size} pixels, and {MAX_PIXELS} are the most")
    return image


def load_image(image: PIL.Image.Image) -> None:
    """Decodes the pixels of an image that `open_image` opened; raises as that does."""
    limit = PIL.Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        with _without_limit():  # TIFF asks once more
            image.load()
    else:
        image.load()


@functools.cache
def suffixes() -> frozenset[str]:
    """The suffixes of files in these formats, in lower case with their dot."""
    extensions = PIL.Image.registered_extensions()  # .mpo is JPEG, whatever Pillow calls it
    return frozenset(k for k, name in extensions.items() if name in (*FORMATS, "MPO"))


def _open_path(path: Path) -> PIL.Image.Image:
    try:
        return PIL.Image.open(path, formats=FORMATS)
    except ValueError:  # such as a text that is too long
        return _open_bytes(path.read_bytes())


def _open_bytes(encoded: bytes) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(_without_remarks(encoded)), formats=FORMATS)


@contextlib.contextmanager
def _without_limit() -> Iterator[None]:
    with _LIMIT:
        usual, PIL.Image.MAX_IMAGE_PIXELS = PIL.Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            PIL.Image.MAX_IMAGE_PIXELS = usual


def _without_remarks(encoded: bytes) -> bytes:
    """A PNG file without its texts, but for XMP, which may say how the image is turned.

    A chunk is its length in 4 bytes, its type in 4, its data, and a checksum in 4.
    """
    if not encoded.startswith(_PNG):
        return encoded
    kept, start, cut = [], 0, len(_PNG)
    while cut + 8 <= len(encoded):
        length, kind = struct.unpack_from(">I4s", encoded, cut)
        after = cut + 12 + length
        if kind in _REMARKS and not encoded.startswith(b"XML:com.adobe.xmp", cut + 8):
            kept.append(encoded[start:cut])
            start = after
        cut = after
    return b"".join((*kept, encoded[start:])) if kept else encoded
