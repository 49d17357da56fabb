"""Rotates each image of a dataset by a random angle, which becomes its target."""

import sys

import numpy as np
import PIL.Image
import tqdm
from jaxtyping import Float32, UInt8

from jcl.data.prepare.splits import check_no_mask
from jcl.errors import UserError

_STREAM = {"train": 0, "test": 1}


def rotate_images(
    splits: dict[str, dict[str, np.ndarray]], *, degrees: float, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """Rotates every image about its middle and keeps its size; corners become 0.

    Rotation is Pillow's `Image.rotate` with bicubic interpolation. One core rotates about 10,000
    images of 28x28 pixels per second.

    Args:
        splits: for train and test, image uint8 [n, H, W, C] with C of 1, 3 or 4, and optionally
            label, which is kept.
        degrees: angles are uniform in [-degrees, degrees]; at most 180.
        seed: of the angles, any integer. The angle of an image is a function of the split, the
            image's position in it, and the seed.

    Returns:
        The splits with the rotated images and their target float32 [n]: the angle in degrees by
        which the content was rotated counter-clockwise.

    Raises:
        UserError: an impossible range, or a dataset that has no images, a target or masks.
    """
    if not 0 < degrees <= 180:
        raise UserError(f"rotate={degrees:g} is impossible: it is more than 0 and at most 180")
    for split, arrays in splits.items():
        if "image" not in arrays:
            raise UserError(f"images are turned, but the {split} split has none")
        if (channels := arrays["image"].shape[-1]) not in (1, 3, 4):
            raise UserError(f"images have {channels} channels, but 1, 3 or 4 can be turned")
        if "target" in arrays:
            raise UserError(f"the {split} split has a target, which the angle would replace")
    check_no_mask("rotate", splits)
    rotated = {}
    for split, arrays in splits.items():
        angles = _angles(split, len(arrays["image"]), degrees, seed)
        pairs = tqdm.tqdm(
            zip(arrays["image"], angles, strict=True),
            total=len(angles),
            desc=f"{split}, turning",
            unit=" images",
            mininterval=0.1 if sys.stderr.isatty() else 30,  # seconds; a log needs few lines
        )
        image = np.stack([rotate(image, float(angle)) for image, angle in pairs])
        rotated[split] = {**arrays, "image": image, "target": angles}
    return rotated


def rotate(image: UInt8[np.ndarray, "h w c"], angle: float) -> UInt8[np.ndarray, "h w c"]:
    """One image, rotated counter-clockwise by an angle in degrees."""
    picture = PIL.Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    turned = picture.rotate(angle, PIL.Image.Resampling.BICUBIC, fillcolor=0)
    return np.asarray(turned).reshape(image.shape)


def _angles(split: str, examples: int, degrees: float, seed: int) -> Float32[np.ndarray, " n"]:
    """Uniform angles from the raw stream of a generator that no version of NumPy changes."""
    key = np.array([seed % 2**64, _STREAM[split]], np.uint64)
    words = np.random.Philox(key=key).random_raw(examples)
    uniform = (words >> np.uint64(11)) * 2.0**-53
    return ((2 * uniform - 1) * degrees).astype(np.float32)
