"""Checks of a dataset's splits, which writers and variants pass on as arrays."""

import numpy as np

from jcl.errors import UserError

Splits = dict[str, dict[str, np.ndarray]]
Names = tuple[str, ...]  # of the classes that labels number


def check_keys(variant: str, splits: Splits, *needed: str, new: tuple[str, ...] = ()) -> None:
    """Raises UserError if a split lacks a key that a variant needs, or has one that it writes.

    Args:
        variant: the flag of the variant, for messages.
        splits: for train and test, arrays by key.
        *needed: keys that both splits must have.
        new: keys that neither may have.
    """
    for split, arrays in splits.items():
        for key in needed:
            if key not in arrays:
                raise UserError(f"{variant} needs a {key}, and the {split} split has none")
            if key == "label" and (count := int((arrays[key] < 0).sum())):
                raise UserError(
                    f"{variant} needs a label of every example, but {count} of the {split} split "
                    "have none (-1)"
                )
        for key in new:
            if key in arrays:
                raise UserError(f"{variant} would replace the {key} that the {split} split has")


def check_images(variant: str, splits: Splits, *channels: int) -> None:
    """Raises UserError if images are missing or have another number of channels."""
    check_keys(variant, splits, "image")
    for arrays in splits.values():
        if (found := arrays["image"].shape[-1]) not in channels:
            allowed = " or ".join(map(str, channels))
            raise UserError(f"{variant} takes images of {allowed} channels, but these have {found}")


def check_no_mask(variant: str, splits: Splits) -> None:
    """Raises UserError if images have masks of their pixels, for a variant that moves pixels."""
    for split, arrays in splits.items():
        if "mask" in arrays:
            raise UserError(
                f"{variant} moves pixels of images, but would leave the mask of the {split} split "
                "where it is"
            )


def check_share(variant: str, share: float) -> None:
    """Raises UserError for a share that is not in [0, 1]."""
    if not 0 <= share <= 1:
        raise UserError(f"{variant}={share:g} is impossible: it is a share, from 0 to 1")


def count_classes(splits: Splits) -> int:
    """1 more than the highest label."""
    return 1 + max(int(arrays["label"].max()) for arrays in splits.values())


def take_rows(arrays: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    """The same rows of every array of a split."""
    return {key: array[rows] for key, array in arrays.items()}
