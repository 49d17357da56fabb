"""From users' labels to classes 0, 1, 2, ..; changes are logged.

Labels may be any ids, texts, booleans, whole numbers stored as floats, or one-hot or multi-hot
rows. Some or all may be missing.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from absl import logging
from jaxtyping import Int32, Shaped, UInt8

from jcl.errors import UserError

MISSING = -1  # the label of an example that has none
LABEL, NO_LABEL = "label", "none"  # values of `data.label_key` besides keys
# Ids are renumbered if fewer than one in this many exists.
_SPARSE = 10


@dataclasses.dataclass(frozen=True)
class Classes:
    """The labels of all splits of a dataset.

    Attributes:
        label: of each split that has labels, [n], `MISSING` for an example without one.
        labels: of each split, if examples may have several classes: multi-hot [n, C].
        n_classes: of `label`; None without labels.
        class_names: of `label`, if the data name the classes.
    """

    label: Mapping[str, Int32[np.ndarray, " n"]]
    labels: Mapping[str, UInt8[np.ndarray, "n C"]]
    n_classes: int | None
    class_names: tuple[str, ...] | None


def read_classes(what: str, given: Mapping[str, Shaped[np.ndarray, "n ..."]]) -> Classes:
    """Reads the labels of all splits together, so that a class is the same in each.

    -1, NaN and an empty text mean a missing label, unless all labels are -1 or 1. A split whose
    labels are all missing has no labels. Whole numbers from 0 on keep their values if at least one
    in ten of them exists. Other ids and texts are renumbered in their order.

    Args:
        what: name of the labels in messages, such as "data.npz key 'label'".
        given: of each split, values [n] or [n, 1], or 0 and 1 [n, C].

    Raises:
        UserError: the labels have another form.
    """
    if not given:
        return Classes({}, {}, None, None)
    given = {split: _plain(what, array) for split, array in given.items()}
    if any(array.ndim == 2 for array in given.values()):
        given = _rows(what, given)
        if any(array.ndim == 2 for array in given.values()):
            _say(what, "have several classes per example, so they become `labels`, not `label`")
            labels = {split: array.astype(np.uint8) for split, array in given.items()}
            return Classes({}, labels, None, None)
        _say(what, "are one-hot, so a label is the position of the 1")
    given, names = _numbered(what, given)
    known = {
        split: label
        for split, label in given.items()
        if has_labels(f"{what} in the {split} split", label)
    }
    if not known:
        return Classes({}, {}, None, None)
    n_classes = len(names) if names else 1 + max(int(label.max()) for label in known.values())
    return Classes(known, {}, n_classes, names)


def has_labels(what: str, label: Int32[np.ndarray, " n"]) -> bool:
    """Whether any example of a split has a label; logs how many have none."""
    if count := int(np.sum(label == MISSING)):
        _say(what, f"are missing for {count} of {len(label)} examples")
    return count < len(label)


def _plain(what: str, array: np.ndarray) -> np.ndarray:
    """Texts, or integers of 64 bits with `MISSING` for NaN; of rank 1 or 2."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    rank = array.ndim in (1, 2)
    if array.dtype.kind == "S":
        try:
            array = np.char.decode(array, "utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{what} holds bytes that are no text in UTF-8: {error}") from error
    if array.dtype.kind == "U" and array.ndim == 1:
        return array
    if array.dtype.kind == "f" and rank:
        missing = np.isnan(array)
        whole = np.where(missing, MISSING, array)
        if (np.abs(whole) < 2**53).all() and (whole == np.rint(whole)).all():
            return whole.astype(np.int64)
        raise UserError(
            f"{what} has values that are not whole numbers below 2**53, but a label is a class: is "
            "it a target, a number to predict?"
        )
    if array.dtype.kind in "biu" and rank:
        if array.dtype == np.uint64 and array.size and array.max() >= 2**63:
            raise UserError(f"{what} has ids of 2**63 and more: number the classes from 0")
        return array.astype(np.int64)
    raise UserError(
        f"{what} is {array.dtype}{list(array.shape)}, but labels are integers or texts [n], or 0 "
        "and 1 [n, C]"
    )


def _rows(what: str, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One-hot rows as positions of the 1; multi-hot rows unchanged."""
    if len({array.shape[1:] for array in given.values()}) > 1:
        shapes = {split: array.shape for split, array in given.items()}
        raise UserError(f"{what} has different shapes in the splits: {shapes}")
    for split, array in given.items():
        if not np.isin(array, (0, 1)).all():
            raise UserError(
                f"{what} has {array.shape[1]} values per example in the {split} split, but several "
                "values are allowed only for one-hot or multi-hot labels of 0 and 1"
            )
    if any((array.sum(1) > 1).any() for array in given.values()):
        return dict(given)
    return {
        split: np.where(array.any(1), array.argmax(1), MISSING) for split, array in given.items()
    }


def _numbered(
    what: str, given: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], tuple[str, ...] | None]:
    """Labels from 0 on in int32, and their original ids if they were renumbered."""
    is_text = [array.dtype.kind == "U" for array in given.values()]
    if any(is_text):
        if not all(is_text):
            raise UserError(f"{what} holds texts in one split and numbers in the other")
        ids = np.unique(np.concatenate(list(given.values())))
        return _renumbered(what, given, ids[ids != ""], lambda array: array == "")
    ids = np.unique(np.concatenate(list(given.values())))
    if ids.tolist() == [-1, 1]:
        return _renumbered(what, given, ids, lambda array: np.zeros(len(array), bool))
    ids = ids[ids != MISSING]
    if len(ids) == 0 or (ids[0] >= 0 and ids[-1] < _SPARSE * len(ids)):
        return {split: array.astype(np.int32) for split, array in given.items()}, None
    return _renumbered(what, given, ids, lambda array: array == MISSING)


def _renumbered(
    what: str,
    given: Mapping[str, np.ndarray],
    ids: np.ndarray,
    missing: Callable[[np.ndarray], np.ndarray],
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    names = tuple(str(x) for x in ids.tolist())
    if names:
        _say(what, f"are {len(names)} ids from {names[0]} to {names[-1]}, renumbered from 0 on")
    numbered = {
        split: np.where(missing(array), MISSING, np.searchsorted(ids, array)).astype(np.int32)
        for split, array in given.items()
    }
    return numbered, names


def _say(what: str, said: str) -> None:
    logging.warning("The labels of %s %s.", what, said)
