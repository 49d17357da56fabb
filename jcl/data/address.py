"""`package.module:function`: a dataset of the user's own, which needs no fork of jcl."""

import inspect
import re
from collections.abc import Collection
from typing import Any

import numpy as np

from jcl.config.names import import_address
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
    function = _import(name)
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
    _check_first_example(name, source)
    return source


def options_taken(name: str) -> Collection[str] | None:
    """The names of the function's arguments, or None where it takes any."""
    try:
        parameters = inspect.signature(_import(name)).parameters
    except TypeError:  # not a function; `open_address` says so
        return None
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    return None if takes_any else [*parameters]


def _check_first_example(name: str, source: Source) -> None:
    """Raises a UserError where an example has not the keys, shapes and dtypes that all must have.

    Floats in [0, 1] for bytes, say, would otherwise train without complaint, on black images.
    """
    example = source.batch(np.arange(1))
    if source.image_shape is None:
        wanted = {"features": (np.float32, (None,))}
    else:
        wanted = {"image": (np.uint8, tuple(source.image_shape))}
        if len(source.image_shape) != 3:
            raise UserError(
                f"data.name={name!r} has image_shape={source.image_shape}, but it is (H, W, C)"
            )
    wanted |= {"label": (np.int32, ())} if source.n_classes is not None else {}
    wanted |= {"target": (np.float32, ())} if "target" in example else {}
    for key, (dtype, shape) in wanted.items():
        value = example.get(key, np.zeros(0))
        fits = len(value.shape) == 1 + len(shape) and all(
            want is None or want == size
            for want, size in zip((1, *shape), value.shape, strict=True)
        )
        if value.dtype != dtype or not fits:
            sizes = ", ".join("n" if size is None else str(size) for size in (1, *shape))
            found = f"{value.dtype} {list(value.shape)}" if key in example else "nothing"
            raise UserError(
                f"data.name={name!r} gives {found} as {key!r} of one example, "
                f"but it must be {np.dtype(dtype).name} [{sizes}]"
            )


def _import(name: str) -> Any:
    try:
        return import_address(name)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"data.name={name!r} is not shapes, tfds:NAME or arrays:PATH.npz, nor can it be "
            f"imported as package.module:function: {error}"
        ) from error
