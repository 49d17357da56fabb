"""Images of 16 bits or floats and of up to 32 channels, with a range given by the user.

16-bit and float images from microscopes, satellites and scanners do not define black and white: 12
bits in a 16-bit file are common. `data.image_range` gives both values. Images are then uint16, with
0 for the lower value and 65535 for the higher one, and the device divides by 65535. So 16-bit
images are kept exactly, and floats are rounded to 1/65535 of the range.
"""

import io

import numpy as np
import PIL.Image
from jaxtyping import Num, UInt16

from jcl.data.sources.image_file import load_image, open_image
from jcl.errors import UserError

MAX_CHANNELS = 32
WHITE = 65535


def check_range(key: str, given: tuple[float | int, ...] | None) -> None:
    """Raises UserError unless a range is two finite numbers, the lower first; None passes."""
    if given is None:
        return
    numbers = all(isinstance(x, int | float) and np.isfinite(x) for x in given)
    if len(given) != 2 or not numbers or not given[0] < given[1]:
        raise UserError(
            f"{key}={given} is impossible: give the values of black and white, such as (0, 4095)"
        )


def to_range(
    values: Num[np.ndarray, "..."], image_range: tuple[float | int, ...]
) -> UInt16[np.ndarray, "..."]:
    """round(65535 (v - low) / (high - low)), from 0 to 65535.

    Raises:
        ValueError: values that are not finite.
    """
    if values.dtype.kind not in "buif":
        raise ValueError(f"its values are {values.dtype}, but they must be numbers")
    if not np.isfinite(values).all():
        raise ValueError("it has values that are not finite: replace them by a number")
    low, high = image_range
    share = (values.astype(np.float64) - low) / (high - low)
    return np.rint(WHITE * np.clip(share, 0, 1)).astype(np.uint16)


def decode_scientific(
    encoded: bytes,
    image_range: tuple[float | int, ...],
    *,
    channels: int | None,
    image_size: int | None,
) -> UInt16[np.ndarray, "h w c"]:
    """Decodes a TIFF, an 8-bit image or a 16-bit grey PNG with all of its bits.

    A TIFF may have any axes that include Y and X; all other axes are channels. EXIF orientation is
    ignored, and transparency is an ordinary channel.

    Args:
        encoded: the bytes of the file.
        image_range: the values of black and white.
        channels: number of channels that the image must have; None takes 1 to 32.
        image_size: the shorter side is resized to this many pixels and the centre square is cut
            out; None does not change the image.

    Raises:
        ValueError: another number of channels, values that are not finite, or a file of which only
            some bits can be read.
        Exception: the file is of another kind, or damaged.
    """
    is_tiff = encoded[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    values = _read_tiff(encoded) if is_tiff else _read_other(encoded)
    found = values.shape[-1]
    if channels is not None and found != channels:
        raise ValueError(f"it has {found} channels, but others have {channels}")
    if found > MAX_CHANNELS:
        raise ValueError(f"it has {found} channels, but at most {MAX_CHANNELS} are allowed")
    if image_size is None or values.shape[:2] == (image_size, image_size):
        return to_range(values, image_range)
    return to_range(_centre(values, image_size), image_range)


def _read_tiff(encoded: bytes) -> Num[np.ndarray, "h w c"]:
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(encoded)) as file:
            series = file.series[0]
            values, axes = series.asarray(), series.axes
    except ValueError as error:
        # For example, compressed by LZW. Pillow can decode such files if its mode has all bits.
        if "imagecodecs" not in str(error):
            raise
        image = open_image(encoded)
        if image.mode not in ("L", "F") and not image.mode.startswith("I;16"):
            raise ValueError(f"{error}: pip install imagecodecs") from error
        load_image(image)
        return np.asarray(image)[..., None]
    if not {"Y", "X"} <= set(axes):
        raise ValueError(f"its axes are {axes}, but Y and X must be among them")
    order = [i for i, axis in enumerate(axes) if axis not in "YX"]
    values = np.transpose(values, (axes.index("Y"), axes.index("X"), *order))
    return values.reshape(*values.shape[:2], -1)


def _read_other(encoded: bytes) -> Num[np.ndarray, "h w c"]:
    image = open_image(encoded)
    # Byte 24 of a PNG is its bit depth. Pillow reads only the upper 8 bits of 16-bit colour.
    partly = image.format == "PNG" and encoded[24] == 16 and not image.mode.startswith("I;16")
    if partly or image.format not in ("PNG", "JPEG", "BMP", "WEBP") or image.mode in ("1", "P"):
        raise ValueError(
            "image_range takes TIFF files, 8-bit images and 16-bit grey PNG files; save it as TIFF"
        )
    load_image(image)
    values = np.asarray(image)
    return values if values.ndim == 3 else values[..., None]


def _centre(values: Num[np.ndarray, "h w c"], size: int) -> Num[np.ndarray, "size size c"]:
    """The centre square resized to `size`, in float32, bicubic as for 8-bit images."""
    height, width = values.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    box = (left, top, left + side, top + side)
    planes = [PIL.Image.fromarray(plane.astype(np.float32)) for plane in np.moveaxis(values, -1, 0)]
    planes = [p.resize((size, size), PIL.Image.Resampling.BICUBIC, box=box) for p in planes]
    return np.stack([np.asarray(plane) for plane in planes], -1)
