"""Checks of options, worded once for every model."""

from collections.abc import Collection, Sequence

from jaxtyping import Array, Float

from jcl.errors import UserError


def check_choice(key: str, value: str, allowed: Collection[str]) -> None:
    """Raises UserError unless the value of that config key is one of those allowed."""
    if value not in allowed:
        raise UserError(f"{key}={value!r} is unknown; allowed: {', '.join(allowed)}")


def check_positive(key: str, value: int) -> None:
    """Raises UserError unless the value of that config key is a positive integer."""
    if not isinstance(value, int) or value < 1:
        raise UserError(f"{key}={value!r} is impossible: it must be a positive integer")


def check_each_positive(key: str, values: Sequence[int], per: str) -> None:
    """Raises UserError unless there are values and all are positive integers, one a `per`."""
    if not values or any(not isinstance(value, int) or value < 1 for value in values):
        raise UserError(f"{key}={values!r} is impossible: give positive integers, one a {per}")


def check_images(encoder: str, inputs: Float[Array, "N ..."]) -> None:
    """Raises UserError where an encoder of images is given vectors."""
    if inputs.ndim != 4:
        raise UserError(
            f"a {encoder} takes images, but the dataset holds vectors of {inputs.shape[-1]} "
            "features; encoder.name='mlp' takes those"
        )
