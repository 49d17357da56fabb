"""Checks of values: each raises UserError with the config's key and the values that are allowed.

None stands for a key that is not set, and passes.
"""

import math
from collections.abc import Collection, Sequence

from jcl.errors import UserError


def check_choice(key: str, value: str | None, allowed: Collection[str]) -> None:
    """The value is one of those allowed."""
    if value is not None and value not in allowed:
        raise UserError(f"{key}={value!r} is unknown; allowed: {', '.join(allowed)}")


def check_positive(key: str, value: int | float | None) -> None:
    """The value is positive and finite."""
    if value is not None and not 0 < value < math.inf:
        raise UserError(f"{key}={value} is impossible: it must be a positive number")


def check_not_negative(key: str, value: int | float | None) -> None:
    """The value is zero, or positive and finite."""
    if value is not None and not 0 <= value < math.inf:
        raise UserError(f"{key}={value} is impossible: it is zero or a positive number")


def check_count(key: str, value: object) -> None:
    """The value is a positive integer."""
    if value is not None and not _is_count(value):
        raise UserError(f"{key}={value!r} is impossible: it must be a positive integer")


def check_counts(key: str, values: Sequence[int], per: str) -> None:
    """There are values, all of them positive integers, one per `per`."""
    if not values or not all(map(_is_count, values)):
        raise UserError(f"{key}={values!r} is impossible: give positive integers, one per {per}")


def check_decay(key: str, value: int | float | None) -> None:
    """The value lies in [0, 1)."""
    if value is not None and not 0 <= value < 1:
        raise UserError(f"{key}={value} is impossible: it is at least 0 and less than 1")


def check_share(key: str, value: int | float | None) -> None:
    """The value lies in (0, 1]."""
    if value is not None and not 0 < value <= 1:
        raise UserError(f"{key}={value} is impossible: it is more than 0 and at most 1")


def check_shares(key: str, values: Sequence[int | float]) -> None:
    """All values lie in (0, 1]."""
    if any(not isinstance(value, int | float) or not 0 < value <= 1 for value in values):
        raise UserError(f"{key}={values} is impossible: each is more than 0 and at most 1")


def check_probability(key: str, value: int | float | None) -> None:
    """The value lies in [0, 1]."""
    if value is not None and not 0 <= value <= 1:
        raise UserError(f"{key}={value} is impossible: it lies between 0 and 1")


def check_cosine(key: str, value: int | float | None) -> None:
    """The value lies in [-1, 1]."""
    if value is not None and not -1 <= value <= 1:
        raise UserError(f"{key}={value} is impossible: a cosine lies between -1 and 1")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
