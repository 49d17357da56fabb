"""Thins the classes of the training split so that their sizes fall from head to tail."""

import numpy as np

from jcl.data.draws import random_words
from jcl.data.prepare.splits import Splits, check_keys, count_classes, take_rows
from jcl.errors import UserError


def thin_classes(splits: Splits, *, ratio: float, seed: int) -> Splits:
    """Class c of C keeps n ratio^(-c / (C - 1)) training examples; n is the smallest class's size.

    So class 0 is the head and class C - 1 the tail. The order of examples and the test split do not
    change.

    Args:
        splits: for train and test, arrays of n rows each, among them label [n].
        ratio: of the largest class to the smallest one, at least 1.
        seed: of the choice, any integer.

    Returns:
        The splits, with the same keys.

    Raises:
        UserError: a ratio below 1, or one that leaves a class empty; no labels, or one class.

    Source: Cui et al. 2019, "Class-balanced loss based on effective number of samples", sec. 5.1.
    """
    check_keys("class_ratio", splits, "label")
    classes = count_classes(splits)
    if not 1 <= ratio < np.inf or classes < 2:
        raise UserError(
            f"class_ratio={ratio:g} is given for {classes} classes, but it must be at least 1, for "
            "2 or more classes"
        )
    train = splits["train"]
    words = random_words("long_tailed", "train", seed, stop=len(train["label"]))[:, 0]
    members = [np.flatnonzero(train["label"] == c) for c in range(classes)]
    largest = min(map(len, members))
    kept = []
    for c, rows in enumerate(members):
        count = round(largest * ratio ** (-c / (classes - 1)))
        if not count:
            raise UserError(
                f"class_ratio={ratio:g} leaves nothing of class {c}: the smallest class has "
                f"{largest} training examples"
            )
        kept.append(rows[np.argsort(words[rows], kind="stable")[:count]])
    return {**splits, "train": take_rows(train, np.sort(np.concatenate(kept)))}
