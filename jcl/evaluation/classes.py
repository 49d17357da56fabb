"""The classes that probes predict: the labels, or another integer key of examples."""

import numpy as np

from jcl.errors import UserError
from jcl.probes import Features

_LABEL = "label"


def classes_to_probe(
    key: str, n_classes: int | None, train: Features, test: Features
) -> tuple[int | None, tuple[Features, Features]]:
    """The number of classes, and the features of both splits with these classes as labels.

    Args:
        key: `probe.label`.
        n_classes: of the label; None without a label.
        train: of the training split.
        test: of the test split.

    Raises:
        UserError: examples have no such key with whole numbers from 0 on.
    """
    if key == _LABEL:
        return n_classes, (train, test)
    splits = train, test
    allowed = [n for n in train.known if all(_is_class(split.known.get(n)) for split in splits)]
    if key not in allowed:
        raise UserError(
            f"probe.label={key!r} must be a class of every example, a whole number from 0 on; the "
            f"data have {', '.join(allowed) or 'none'}"
        )
    train, test = (
        Features(split.features, {**split.known, _LABEL: split.known[key].astype(np.int32)})
        for split in splits
    )
    return 1 + int(max(train.label.max(), test.label.max())), (train, test)


def _is_class(values: np.ndarray | None) -> bool:
    if values is None or values.ndim != 1 or values.dtype.kind not in "biu":
        return False
    return bool(values.min() >= 0)
