"""Opens image files of every format that Pillow decodes by itself, also very large ones.

Pillow refuses images of more than 179 million pixels and PNG files with more than 1 MiB of text.
This protects servers that get files from strangers. Here the files are the user's own, so large
images are allowed.
"""

import contextlib
import functools
import io
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import PIL.Image

# Largest number of pixels of an image: 3 GiB as RGB. A larger image is refused by name.
MAX_PIXELS = 2**30
# Pillow's names of formats, in the order in which they are tried. EPS is left out, because another
# program would have to draw it, and so are formats that Pillow only identifies (BUFR, GRIB, HDF5,
# MPEG, WMF).
FORMATS = (
    *("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "JPEG2000", "AVIF", "PPM", "DIB", "ICO", "CUR"),
    *("ICNS", "PSD", "DDS", "QOI", "PCX", "DCX", "SGI", "SUN", "XBM", "XPM", "MSP", "IM", "BLP"),
    *("FTEX", "FITS", "FLI", "GBR", "MCIDAS", "PCD", "PIXAR", "SPIDER", "XVTHUMB", "TGA"),
)
_PNG = b"\x89PNG\r\n\x1a\n"
# Text and colour profiles, on which pixels do not depend here.
_REMARKS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
_LIMIT = threading.Lock()  # Pillow's limit is global, and several threads decode


def open_image(file: bytes | Path) -> PIL.Image.Image:
    """Opens an image; its pixels are decoded by `load_image`.

    Args:
        file: its bytes; or its path, of which only as much is read as the size and mode need. Texts
            in a PNG are removed first.

    Raises:
        ValueError: the file is not an image, or has more than `MAX_PIXELS` pixels.
        Exception: a damaged image: Pillow's plugins raise errors of many types.
    """
    with _without_limit():
        try:
            image = _open_path(file) if isinstance(file, Path) else _open_bytes(file)
        except PIL.UnidentifiedImageError as error:
            raise ValueError("it is not an image in a format that Pillow decodes") from error
    if image.width * image.height > MAX_PIXELS:
        size = f"{image.width}x{image.height}"
        raise ValueError(f"it has {size} pixels, but at most {MAX_PIXELS} are allowed")
    return image


def load_image(image: PIL.Image.Image) -> None:
    """Decodes the pixels of an image from `open_image`; raises the same errors."""
    limit = PIL.Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        with _without_limit():  # TIFF checks the limit again
            image.load()
    else:
        image.load()


@functools.cache
def suffixes() -> frozenset[str]:
    """The suffixes of files in these formats, in lower case and with the dot."""
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
    """A PNG file without its texts, except XMP, which may hold the orientation.

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
