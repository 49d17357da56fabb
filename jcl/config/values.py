"""Values of options: checks of their types, and their form in JSON."""

from collections.abc import Mapping
from typing import Any


def fitted(value: Any, kinds: tuple[type, ...]) -> Any:
    """The value as one of the types: a list becomes a tuple, an integral number an int or float.

    Raises:
        TypeError: the value has none of these types.
    """
    if isinstance(value, list | tuple) and tuple in kinds:
        return as_tuples(value)
    if isinstance(value, bool):
        if bool in kinds or object in kinds:
            return value
    elif isinstance(value, kinds):
        return value
    elif int in kinds and isinstance(value, float) and value.is_integer():
        return int(value)
    elif float in kinds and isinstance(value, int):
        return float(value)
    raise TypeError(f"{value!r} is not of type {' or '.join(kind.__name__ for kind in kinds)}")


def as_tuples(value: Any) -> Any:
    """The value with tuples instead of lists at any depth, as options hold it."""
    return _nested(value, tuple)


def as_lists(value: Any) -> Any:
    """The value with lists instead of tuples at any depth, as JSON returns it."""
    return _nested(value, list)


def _nested(value: Any, sequence: type) -> Any:
    if isinstance(value, list | tuple):
        return sequence(_nested(item, sequence) for item in value)
    if isinstance(value, Mapping):
        return {key: _nested(item, sequence) for key, item in value.items()}
    return value
