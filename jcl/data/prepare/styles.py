"""Gives images styles; the test split has a style that training never sees."""

import sys

import numpy as np
import tqdm
from jaxtyping import Float32, Float64, UInt8

from jcl.data.draws import one_of, random_words, uniform
from jcl.data.prepare.splits import Splits, check_images, check_keys
from jcl.errors import UserError

STYLES = ("plain", "cast", "gradient", "contrast")
_CHUNK = 512
_CAST = np.float32([0.35, 1.0, 0.65])  # factors of the channels at full strength
_GRADIENT = 110.0  # from the middle to an edge, in steps of brightness
_CONTRAST = 0.65  # share of the contrast that goes


def style_images(
    splits: Splits, *, held_out: str | None, seed: int, only: str | None = None
) -> Splits:
    """Gives each image one style, independent of its class.

    The styles are "plain"; "cast", which removes most of the red; "gradient", from dark to bright
    across the image; and "contrast", gray with low contrast. The strength varies by image.

    Args:
        splits: for train and test, image uint8 [n, H, W, C] with C of 1 or 3, and any other keys.
        held_out: the style of all test images, which no training image has. None draws from all
            styles in both splits, as the control.
        seed: of styles and strengths, any integer. Style and strength of an image are a function of
            the split, the image's position in it, and the seed.
        only: one style for all images of both splits, such as that of a target domain; `held_out`
            is then None.

    Returns:
        The splits with image uint8 [n, H, W, 3] and domain int32 [n], the number of the style.

    Raises:
        UserError: an unknown style, no images, images with another number of channels.
    """
    for name, style in {"held_out": held_out, "only": only}.items():
        if style is not None and style not in STYLES:
            raise UserError(f"{name}={style!r} is unknown; allowed: {', '.join(STYLES)}")
    check_images("styles", splits, 1, 3)
    check_keys("styles", splits, new=("domain",))
    allowed = {"train": [i for i, s in enumerate(STYLES) if s != held_out]}
    allowed["test"] = [i for i, s in enumerate(STYLES) if held_out in (None, s)]
    if only is not None:
        allowed = {split: [STYLES.index(only)] for split in allowed}
    styled = {}
    for split, arrays in splits.items():
        image = arrays["image"]
        words = random_words("styles", split, seed, stop=len(image), each=2)
        domain = np.array(allowed[split], np.int32)[one_of(words[:, 0], len(allowed[split]))]
        strength = uniform(words[:, 1])
        made = np.empty((*image.shape[:3], 3), np.uint8)
        starts = range(0, len(image), _CHUNK)
        for start in tqdm.tqdm(starts, desc=f"{split}, styles", disable=not sys.stderr.isatty()):
            part = slice(start, start + _CHUNK)
            made[part] = _styled(image[part], domain[part], strength[part])
        styled[split] = {**arrays, "image": made, "domain": domain}
    return styled


def _styled(
    image: UInt8[np.ndarray, "b h w c"],
    domain: np.ndarray,
    strength: Float64[np.ndarray, " b"],
) -> UInt8[np.ndarray, "b h w 3"]:
    """Uses only elementwise operations, whose results are the same on every CPU."""
    x = np.repeat(image, 3 // image.shape[-1], axis=-1).astype(np.float32)
    s = (0.6 + 0.4 * strength).astype(np.float32)[:, None, None, None]
    height, width = image.shape[1:3]
    ramp = (_axis(width)[None, :] + _axis(height)[:, None])[..., None] * np.float32(0.5)
    gray = (x[..., :1] + x[..., 1:2] + x[..., 2:]) * np.float32(1 / 3)
    styles = {
        "cast": x * (1 - s * (1 - _CAST)),
        "gradient": x + s * np.float32(_GRADIENT) * ramp,
        "contrast": 128 + (gray - 128) * (1 - s * np.float32(_CONTRAST)),
    }
    for name, values in styles.items():
        mine = (domain == STYLES.index(name))[:, None, None, None]
        x = np.where(mine, values, x)
    return np.clip(np.floor(x + np.float32(0.5)), 0, 255).astype(np.uint8)


def _axis(size: int) -> Float32[np.ndarray, " size"]:
    """Middles of pixels, of an image that spans [-1, 1]."""
    return ((np.arange(size) + 0.5) * (2 / size) - 1).astype(np.float32)
