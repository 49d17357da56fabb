"""Makes outliers in the test split: examples of other classes, or rotated images."""

import numpy as np

from jcl.data.prepare.classes import keep_classes
from jcl.data.prepare.splits import Splits, check_keys, check_no_mask, take_rows
from jcl.errors import UserError


def other_class_outliers(splits: Splits, inlier: int) -> Splits:
    """Keeps one class for training; in the test split all other classes are outliers.

    Args:
        splits: for train and test, arrays of n rows each, among them label [n].
        inlier: the class of the inliers.

    Returns:
        The splits with outlier bool [n]; labels do not change.

    Raises:
        UserError: no labels, or a class without an example in one of the splits.

    Source: Tack et al. 2020 (CSI), section 3.1, the one-class setting; Ruff et al. 2018 before it.
    """
    check_keys("inlier_class", splits, "label", new=("outlier",))
    kept = {"train": keep_classes(splits, [str(inlier)])["train"], "test": splits["test"]}
    return {
        split: {**arrays, "outlier": arrays["label"] != inlier} for split, arrays in kept.items()
    }


def turn_outliers(splits: Splits) -> Splits:
    """Each test image at four rotations: the upright one is an inlier, the others are outliers.

    Take this for one class of upright photographs (`keep_classes`): training sees inliers alone.

    Args:
        splits: for train and test, image uint8 [n, H, H, C] and any other keys.

    Returns:
        The splits with turn int32 [n], 0 to 3 quarter turns counter-clockwise, and outlier
        bool [n]; the test split has four times as many examples, one rotation after the other.

    Raises:
        UserError: no images, images that are not square, or images with masks.

    Source: Hendrycks et al. 2019, "Using self-supervised learning can improve model robustness and
    uncertainty", sec. 4, where turned images tell a class from outliers; Tack et al. 2020 (CSI).
    """
    check_keys("turned_outliers", splits, "image", new=("turn", "outlier"))
    check_no_mask("turned_outliers", splits)
    height, width = splits["test"]["image"].shape[1:3]
    if height != width:
        raise UserError(f"turned_outliers takes square images, but these are {height}x{width}")
    train, test = splits["train"], splits["test"]
    n = len(test["image"])
    turned = take_rows(test, np.tile(np.arange(n), 4))
    turned["image"] = np.concatenate([np.rot90(test["image"], k, (1, 2)) for k in range(4)])
    turn = {"train": np.zeros(len(train["image"]), np.int32)}
    turn["test"] = np.repeat(np.arange(4, dtype=np.int32), n)
    return {
        split: {**arrays, "turn": turn[split], "outlier": turn[split] > 0}
        for split, arrays in {"train": train, "test": turned}.items()
    }
