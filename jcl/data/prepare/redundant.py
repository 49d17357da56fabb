"""Makes a dataset redundant: it then has several near copies of every training image."""

import numpy as np

from jcl.data.draws import one_of, random_words
from jcl.data.prepare.splits import Splits, check_images, check_no_mask
from jcl.data.sources.painting import bell_noise, to_bytes
from jcl.errors import UserError

_NOISE = 4 / 255  # standard deviation
_CHUNK = 1024  # images that are made at a time


def repeat_images(splits: Splits, *, copies: int, seed: int) -> Splits:
    """Every training image followed by its copies, which are moved by up to a pixel, with noise.

    The slices of a volume are similar in this way. Test images are not changed.

    Args:
        splits: for train and test, image uint8 [n, H, W, C] and any other keys.
        copies: number of near copies of an image, including the image itself.
        seed: of moves and noise, any integer.

    Raises:
        UserError: fewer than one, no images, or images with masks.
    """
    check_images("copies", splits, 1, 3, 4)
    check_no_mask("copies", splits)
    if copies < 1:
        raise UserError(f"copies={copies} is impossible: it must be at least 1")
    train = {key: np.repeat(array, copies, axis=0) for key, array in splits["train"].items()}
    images = train["image"]
    changed = np.flatnonzero(np.arange(len(images)) % copies)
    for start in range(0, len(changed), _CHUNK):
        rows = changed[start : start + _CHUNK]
        images[rows] = _near(images[rows], seed, start)
    return {**splits, "train": train}


def _near(images: np.ndarray, seed: int, start: int) -> np.ndarray:
    count, height, width, _ = images.shape
    stop, words = start + count, -(-images[0].size // 2)
    moves = one_of(random_words("copies", "train", seed, start=start, stop=stop, each=2), 3)
    noise = random_words("copies/noise", "train", seed, start=start, stop=stop, each=words)
    noise = bell_noise(noise, 2 * words, deviation=_NOISE)[:, : images[0].size]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    y, x = (moves[:, axis, None] + np.arange(size) for axis, size in ((0, height), (1, width)))
    moved = padded[np.arange(count)[:, None, None], y[:, :, None], x[:, None]]
    return to_bytes(moved.astype(np.float32) / np.float32(255) + noise.reshape(images.shape))
