"""`package.module:function`: a dataset of the user's own, which needs no fork of jcl."""

import importlib
import inspect
import re
from typing import Any

from jcl.data.source import Source
from jcl.errors import UserError

_ADDRESS = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_MEMBERS = ("image_shape", "n_classes", "in_memory", "batch", "__len__")


def is_address(name: str) -> bool:
    """Whether a name has the form package.module:function."""
    return _ADDRESS.fullmatch(name) is not None


def open_address(name: str, split: str, options: dict[str, Any]) -> Source:
    """Imports a function and calls it as function(split, **options).

    Errors of the function itself reach the caller as they are.

    Args:
        name: package.module:function, importable from where Python was started.
        split: "train" or "test".
        options: keys of the config's data section with their values, those that are set.

    Returns:
        What the function returns. A source that is not in memory is sent to worker processes, so
        it must be picklable.

    Raises:
        UserError: it cannot be imported, does not take these arguments, or returns no `Source`.
    """
    module, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"data.name={name!r} is not shapes, tfds:NAME or arrays:PATH.npz, nor can it be "
            f"imported as package.module:function: {error}"
        ) from error
    try:
        signature = inspect.signature(function)
        signature.bind(split, **options)
    except TypeError as error:
        given = ", ".join(["the split", *(f"data.{k}={v!r}" for k, v in options.items())])
        takes = f"it takes {signature}" if callable(function) else "it is no function"
        raise UserError(
            f"data.name={name!r} is called with {given}, but {takes}: {error}"
        ) from error
    source = function(split, **options)
    if not isinstance(source, Source):
        missing = [member for member in _MEMBERS if not hasattr(source, member)]
        raise UserError(
            f"data.name={name!r} returned a {type(source).__name__}, but it must return a "
            f"jcl.data.Source, and this has no {', '.join(missing)}"
        )
    return source
