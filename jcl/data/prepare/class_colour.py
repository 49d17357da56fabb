"""Colours images so that the colour is an easier cue than the outline."""

import numpy as np
from jaxtyping import Float32, UInt8

from jcl.data.draws import one_of, random_words, uniform
from jcl.data.prepare.splits import Splits, check_images, check_keys, check_share, count_classes

_CHUNK = 512


def colour_by_class(splits: Splits, *, share: float, seed: int) -> Splits:
    """Every image keeps only its brightness and gets one of C hues, C the number of classes.

    At a share of 0 the hue is independent of the class. A contrastive loss whose views keep the hue
    can then be minimised by the hue alone, without the outline (Chen, Luo & Li 2021, "Intriguing
    properties of contrastive losses", sec. 4). At a high share the hue is a shortcut to the class
    that fails on the test split (Arjovsky et al. 2019, "Invariant risk minimization", sec. 5.2).

    Args:
        splits: for train and test, image uint8 [n, H, W, C] with C of 1 or 3, and label [n].
        share: share of the training images that have their class's hue. The hue of the others, and
            of all test images, is drawn from all hues.
        seed: of the hues, any integer. The hue of an image is a function of the split, the image's
            position in it, and the seed.

    Returns:
        The splits with image uint8 [n, H, W, 3] and colour int32 [n], the number of the hue.

    Raises:
        UserError: an impossible share, no labels, images with another number of channels.
    """
    check_share("class_colour", share)
    check_images("class_colour", splits, 1, 3)
    check_keys("class_colour", splits, "label", new=("colour",))
    palette = _palette(count_classes(splits))
    coloured = {}
    for split, arrays in splits.items():
        image = arrays["image"]
        words = random_words("class_colour", split, seed, stop=len(image), each=2)
        own = (uniform(words[:, 0]) < share) & (split == "train")
        colour = np.where(own, arrays["label"], one_of(words[:, 1], len(palette))).astype(np.int32)
        made = np.empty((*image.shape[:3], 3), np.uint8)
        for start in range(0, len(image), _CHUNK):
            part = slice(start, start + _CHUNK)
            made[part] = _tinted(image[part], palette[colour[part]])
        coloured[split] = {**arrays, "image": made, "colour": colour}
    return coloured


def _tinted(
    image: UInt8[np.ndarray, "b h w c"], colour: Float32[np.ndarray, "b 3"]
) -> UInt8[np.ndarray, "b h w 3"]:
    """The mean of the channels, in one colour from dark to light."""
    x = image.astype(np.float32)
    gray = x[..., 0] if image.shape[-1] == 1 else (x[..., 0] + x[..., 1] + x[..., 2]) / 3
    # Black keeps a quarter of the colour, so that it shows on dark grounds too.
    light = (64 + gray * np.float32(0.75))[..., None] * colour[:, None, None]
    return np.floor(light + np.float32(0.5)).astype(np.uint8)


def _palette(hues: int) -> Float32[np.ndarray, "hues 3"]:
    """Saturated colours around the circle of hues: red, ..., green, ..., blue, ..."""
    turn = np.arange(hues) / hues * 6
    distance = np.stack([np.abs((turn - k + 3) % 6 - 3) for k in (0, 2, 4)], axis=1)
    return np.clip(2 - distance, 0, 1).astype(np.float32)
