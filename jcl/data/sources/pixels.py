"""From an image as Pillow opens it, in any of its modes, to 8-bit grey, RGB or RGBA.

The rules, in the order in which they apply:

* The upper 8 of 16 bits are kept, for grey and for colour: 0 stays 0 and 65535 becomes 255.
* 32-bit integers and floats are refused, because their file does not state a range; `image_range`
  gives it (`jcl.data.sources.scientific`).
* Transparent pixels are drawn on white, c a / 255 + 255 (1 - a / 255), unless RGBA is asked for.
* Grey becomes colour by three equal channels, and colour grey by its luma (ITU-R BT.601).
* CMYK becomes RGB without a colour profile. Profiles are not applied.
"""

import numpy as np
import PIL.Image
from absl import logging

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
BACKGROUND = 255  # white, in each channel
_GREY = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N")


def to_mode(image: PIL.Image.Image, mode: str) -> PIL.Image.Image:
    """The image in mode "L", "RGB" or "RGBA", by the rules above; unchanged if it has this mode.

    Args:
        image: decoded.
        mode: "L", "RGB" or "RGBA".

    Raises:
        ValueError: 32-bit integers or floats, or a mode that Pillow cannot convert.
    """
    if image.mode == mode and (mode == "RGBA" or not image.has_transparency_data):
        return image
    if image.mode in ("I", "F") or has_16_bits(image):
        image = _upper_bits(image)
    if mode != "RGBA" and image.has_transparency_data:
        image = image.convert("RGBA")
        canvas = PIL.Image.new("RGB", image.size, (BACKGROUND,) * 3)
        canvas.paste(image, mask=image.getchannel("A"))
        image = canvas
    return image if image.mode == mode else image.convert(mode)


def is_grey(image: PIL.Image.Image) -> bool:
    """Whether the mode of an image, which need not be decoded, has no colour."""
    return image.mode in _GREY or image.mode == "I"


def has_16_bits(image: PIL.Image.Image) -> bool:
    """Whether an image, which need not be decoded, is grey with 16 bits."""
    # Pillow scales PGM files of more than 8 bits to 0...65535, as 32-bit integers.
    return image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PPM")


def warn_of_16_bits(what: str) -> None:
    """Logs that images lose bits, and how to keep them: 12 bits of 16 would be almost black."""
    logging.warning(
        "%s: of 16 bits the upper 8 are kept, so values below 4096 are almost black; "
        "data.name=folder:PATH with data.image_range keeps all of a range.",
        what,
    )


def _upper_bits(image: PIL.Image.Image) -> PIL.Image.Image:
    """8-bit grey from 16 bits."""
    if not has_16_bits(image):
        kind = {"I": "32-bit integers", "F": "floats"}[image.mode]
        raise ValueError(
            f"it holds {kind}, which have no range of their own: use data.name=folder:PATH with "
            "data.image_range, which gives the values of black and white"
        )
    return PIL.Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
