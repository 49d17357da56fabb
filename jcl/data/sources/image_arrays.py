"""Checks of users' arrays of images: their shapes and numbers."""

import numpy as np
from absl import logging
from jaxtyping import Shaped, UInt8, UInt16

from jcl.data.sources.scientific import MAX_CHANNELS, to_range
from jcl.errors import UserError

_USUAL = 4  # channels: more are rare, and may be images with channels first


def as_images(
    what: str,
    array: Shaped[np.ndarray, "..."],
    image_range: tuple[float | int, ...] | None,
) -> UInt8[np.ndarray, "n h w c"] | UInt16[np.ndarray, "n h w c"]:
    """Images [n, H, W, C] from an array.

    Args:
        what: name of the array in messages, such as "data.npz key 'train_image'".
        array: [n, H, W, C] with 1 to 32 channels, or [n, H, W] of grey images.
        image_range: the values of black and white; None takes bytes and booleans.

    Returns:
        uint8 without a range, otherwise uint16.

    Raises:
        UserError: another shape, such as [n, C, H, W], or numbers other than bytes without a range.
    """
    given = f"{what} is {array.dtype}{list(array.shape)}"
    if array.ndim == 3 and array.shape[-1] > _USUAL:
        array = array[..., None]
    if array.ndim != 4:
        one = "; one image is [1, H, W, C]" if array.ndim == 3 else ""
        raise UserError(f"{given}, but it must be uint8 [n, H, W, C], or [n, H, W] of grey{one}")
    _check_channels_last(given, array.shape)
    if array.dtype == bool:
        array = array * np.uint8(255)
    if image_range is not None:
        return _to_range(what, array, image_range)
    if array.dtype != np.uint8:
        kinds = array.dtype.kind in "fiu" and array.size
        holds = f", with values from {array.min():g} to {array.max():g}" if kinds else ""
        raise UserError(
            f"{given}{holds}, but it must be uint8, unless data.image_range gives the values of "
            "black and white, such as (0, 65535)"
        )
    if array.size and array.max() == 1:
        logging.warning(
            "%s holds only 0 and 1, which are almost black: data.image_range=(0, 1) makes 1 white.",
            what,
        )
    return array


def _check_channels_last(given: str, shape: tuple[int, ...]) -> None:
    """Raises UserError if channels come before height and width, as in PyTorch."""
    _, first, second, last = shape
    turned = first <= MAX_CHANNELS and (
        last > MAX_CHANNELS or (last > _USUAL and (first <= _USUAL or first < second == last))
    )
    if turned:
        raise UserError(
            f"{given}, which looks like [n, C, H, W], but channels come last: save "
            "image.transpose(0, 2, 3, 1)"
        )
    if not 1 <= last <= MAX_CHANNELS:
        raise UserError(f"{given}, but an image has 1 to {MAX_CHANNELS} channels, in the last axis")


def _to_range(
    what: str, array: np.ndarray, image_range: tuple[float | int, ...]
) -> UInt16[np.ndarray, "n h w c"]:
    images = np.empty(array.shape, np.uint16)
    for i, image in enumerate(array):  # one at a time: float64 of all would take eight times more
        try:
            images[i] = to_range(image, image_range)
        except ValueError as error:
            raise UserError(f"{what}, image {i}: {error}") from error
    return images
