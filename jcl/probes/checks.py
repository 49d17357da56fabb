"""Checks of the features and labels that probes are given."""

import numpy as np

from jcl.errors import UserError


def check_features(name: str, features) -> None:
    """Raise `UserError` unless `features` is a non-empty, finite matrix [n, D]."""
    if np.ndim(features) != 2 or 0 in np.shape(features):
        raise UserError(f"{name} must be a non-empty matrix [n, D], not {np.shape(features)}.")
    if not np.isfinite(np.asarray(features)).all():
        raise UserError(f"{name} hold NaN or infinity, so the encoder that made them diverged.")


def check_same_width(train_features, test_features) -> None:
    """Raise `UserError` unless both feature matrices have the same number of columns."""
    train, test = np.shape(train_features)[1], np.shape(test_features)[1]
    if train != test:
        raise UserError(f"Train features have {train} columns but test features have {test}.")


def check_labels(name: str, labels, *, n: int, n_classes: int) -> None:
    """Raise `UserError` unless `labels` are `n` integers in [0, n_classes)."""
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise UserError(f"{name} have shape {labels.shape} but there are {n} feature rows.")
    if not np.issubdtype(labels.dtype, np.integer):
        raise UserError(f"{name} must be integer classes, not {labels.dtype}.")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise UserError(
            f"{name} run from {labels.min()} to {labels.max()} but n_classes={n_classes} "
            f"allows 0 to {n_classes - 1}."
        )


def check_targets(name: str, targets, *, n: int) -> None:
    """Raise `UserError` unless `targets` are `n` finite numbers."""
    targets = np.asarray(targets)
    if targets.shape != (n,):
        raise UserError(f"{name} have shape {targets.shape} but there are {n} rows.")
    if not np.isfinite(targets).all():
        raise UserError(f"{name} hold NaN or infinity.")
