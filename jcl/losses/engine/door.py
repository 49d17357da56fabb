"""Checks of the losses' arguments, before anything is computed.

Every public loss first calls one of these functions. Shapes and dtypes are known while a program is
traced, so the checks work inside `jax.jit` too and cost nothing when the program runs. Each error
is one sentence.
"""

import math
import numbers
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int, Integer

from jcl.errors import UserError
from jcl.mesh import check_even_split

_KINDS = {
    "float": (jnp.floating,),
    "integer": (jnp.integer,),
    "real": (jnp.floating, jnp.integer),
    "bool": (jnp.bool_,),
}
_SCALARS = {
    "positive": lambda x: 0 < x < math.inf,
    "non-negative": lambda x: 0 <= x < math.inf,
    "finite": math.isfinite,
    "positive whole": lambda x: x >= 1,
    "non-negative whole": lambda x: x >= 0,
}


def check_arguments(
    loss: str,
    mesh: Mesh | None,
    *,
    may_be_empty: tuple[str, ...] = (),
    **arguments: tuple[Any, str],
) -> dict[str, int]:
    """Checks the arguments of a loss: kinds, ranks and sizes of arrays, and numbers.

    Args:
        loss: name of the loss, for the errors.
        mesh: the mesh over which the examples, the axis B, are sharded.
        may_be_empty: axes that may have the size 0. All other axes must have a larger size.
        **arguments: by name, each argument and its requirement. For an array this is its kind
            ("float", "integer", "real" for either of the two, or "bool") and its axes. Axes of the
            same name must have the same size. For a scalar it is "positive", "non-negative",
            "finite", "positive whole" or "non-negative whole". A scalar JAX array passes the first
            three with any value, because the value may be traced. A whole number must be a number
            of Python or NumPy.

    Returns:
        The size of every axis that `arguments` name.

    Raises:
        UserError: an argument does not meet its requirement, or B is not divisible by the number of
            devices of `mesh`.

    Example:
        >>> import jax.numpy as jnp
        >>> z, labels = jnp.ones((4, 2)), jnp.arange(4)
        >>> arguments = {"z": (z, "float [B, d]"), "labels": (labels, "integer [B]")}
        >>> check_arguments("some_loss", None, **arguments, temperature=(0.1, "positive"))
        {'B': 4, 'd': 2}
    """
    sizes: dict[str, int] = {}
    first_with: dict[str, str] = {}
    for name, (argument, wanted) in arguments.items():
        if wanted in _SCALARS:
            _check_scalar(name, argument, wanted)
            continue
        for axis, size in _sizes(loss, name, argument, wanted).items():
            other = first_with.setdefault(axis, name)
            if sizes.setdefault(axis, size) != size:
                raise UserError(
                    f"{loss} takes {other} and {name} of one size {axis}, "
                    f"but {axis} is {sizes[axis]} in {other} and {size} in {name}."
                )
            if size == 0 and axis not in may_be_empty:
                raise UserError(f"{loss} was given an empty array: {axis} is 0 in {name}.")
    check_even_split(sizes["B"], mesh)
    return sizes


def check_views(
    loss: str,
    z0: Any,
    z1: Any,
    mesh: Mesh | None,
    *,
    at_least: int = 1,
    **arguments: tuple[Any, str],
) -> None:
    """`check_arguments` for two views of every example, with at least `at_least` examples."""
    views = {"z0": (z0, "float [B, d]"), "z1": (z1, "float [B, d]")}
    sizes = check_arguments(loss, mesh, **views, **arguments)
    check_at_least(loss, at_least, "examples in a batch", sizes["B"])


def given(**arguments: tuple[Any, str]) -> dict[str, tuple[Any, str]]:
    """Those arguments that are not None, for `check_arguments`."""
    return {name: pair for name, pair in arguments.items() if pair[0] is not None}


def check_at_least(loss: str, least: int, things: str, given: int) -> None:
    """Raises UserError if a loss was given fewer things than its formula needs."""
    if given < least:
        raise UserError(f"{loss} needs at least {least} {things}: it was given {given}.")


def check_key(loss: str, key: Any) -> None:
    """Raises UserError if a loss was not given one key of `jax.random`, typed or raw."""
    is_key = isinstance(key, jax.Array | np.ndarray) and (
        (jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim == 0)
        or (key.dtype == np.uint32 and key.ndim == 1)
    )
    if not is_key:
        raise UserError(f"{loss} takes key as one key of jax.random, but was given another thing.")


def comparable(labels: Integer[Array, " B"] | Integer[np.ndarray, " B"]) -> Int[Array, " B"]:
    """Labels as signed integers of JAX, equal where they were equal.

    Unless x64 is on, JAX would silently cut NumPy's integers to 32 bits. Labels that do not fit are
    renumbered.
    """
    if isinstance(labels, np.ndarray):
        limits = jnp.iinfo(jnp.result_type(labels))  # of the dtype that JAX would give them
        if labels.min() < limits.min or labels.max() > limits.max:
            labels = np.unique(labels, return_inverse=True)[1].astype(np.int32)
    labels = jnp.asarray(labels)
    # Unsigned integers wrap around, so different ones stay different.
    return labels.astype(jnp.int64 if labels.dtype.itemsize == 8 else jnp.int32)


def _sizes(loss: str, name: str, array: Any, wanted: str) -> dict[str, int]:
    """The size of every axis of an array of the right kind and rank."""
    if not isinstance(array, jax.Array | np.ndarray):
        given = type(array).__name__
        raise UserError(f"{loss} takes {name} as an array, {wanted}, but was given {given}.")
    kind, axes = wanted.split(" ", 1)
    axes = axes.strip("[]").split(", ")
    if not _is_of_kind(array, kind) or array.ndim != len(axes):
        given = f"{array.dtype} {list(array.shape)}"
        raise UserError(f"{loss} takes {name} as {wanted}, but was given {given}.")
    return dict(zip(axes, array.shape, strict=True))


def _check_scalar(name: str, value: Any, wanted: str) -> None:
    if wanted.endswith("whole") and not isinstance(value, int | np.integer):
        given = "traced" if isinstance(value, jax.core.Tracer) else " ".join(repr(value).split())
        raise UserError(f"{name} is {given}, but must be a {wanted} number.")
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        if value.shape != () or not _is_of_kind(value, "real"):
            given = f"{value.dtype} {list(value.shape)}"
            raise UserError(f"{name} is {given}, but must be one real number.")
    elif not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise UserError(f"{name} is {value!r}, but must be one real number.")
    if not isinstance(value, jax.Array) and not _SCALARS[wanted](value):
        raise UserError(f"{name} is {value}, but must be a {wanted} number.")


def _is_of_kind(array: Any, kind: str) -> bool:
    return any(jnp.issubdtype(array.dtype, of) for of in _KINDS[kind])
