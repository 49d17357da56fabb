"""Keeps the examples of some classes."""

from collections.abc import Sequence

import numpy as np

from jcl.data.prepare.splits import Splits, check_keys, take_rows
from jcl.errors import UserError


def keep_classes(splits: Splits, classes: Sequence[str]) -> Splits:
    """The examples of some classes, with unchanged labels.

    Args:
        splits: for train and test, arrays of n rows each, among them label [n].
        classes: their numbers, as text.

    Raises:
        UserError: no labels, no number, or a class without an example in one of the splits.
    """
    if not all(c.strip().isdecimal() for c in classes):
        raise UserError(f"classes={','.join(classes)} is given, but it is numbers such as 0,3")
    wanted = [int(c) for c in classes]
    check_keys("classes", splits, "label")
    for split, arrays in splits.items():
        for c in wanted:
            if not (arrays["label"] == c).any():
                raise UserError(f"the {split} split has no example of class {c}")
    return {
        split: take_rows(arrays, np.flatnonzero(np.isin(arrays["label"], wanted)))
        for split, arrays in splits.items()
    }
