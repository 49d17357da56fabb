"""Prototypes: trained unit vectors that examples are compared with."""

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jcl.config.checks import check_count
from jcl.errors import UserError
from jcl.losses import unit_rows


def check(key: str, count: int) -> None:
    """Raises UserError if there are fewer than two prototypes, which makes all codes equal."""
    check_count(key, count)
    if count < 2:
        raise UserError(f"{key}={count} is impossible: it must be at least 2")


def start(key: PRNGKeyArray, count: int, width: int, dtype: DTypeLike) -> Float[Array, "K d"]:
    """Draws `count` unit rows of `width` numbers, uniform on the sphere."""
    return normalised(jax.random.normal(key, (count, width), dtype))


def scores(
    embeddings: Float[Array, "*batch d"], prototypes: Float[Array, "K d"]
) -> Float[Array, "*batch K"]:
    """Cosines of raw embeddings with all prototypes, in the full precision of their dtype.

    Args:
        embeddings: of any norm.
        prototypes: unit rows.
    """
    # GPUs and TPUs would otherwise round float32 operands; 1 / epsilon amplifies the error.
    highest = jax.lax.Precision.HIGHEST
    return jnp.einsum("...d,kd->...k", unit_rows(embeddings), prototypes, precision=highest)


def normalised(prototypes: Float[Array, "K d"]) -> Float[Array, "K d"]:
    """The prototypes as unit rows again, after an update changed their norms."""
    return unit_rows(prototypes).astype(prototypes.dtype)


def held(
    prototypes: Float[Array, "K d"], step: Int[Array, ""] | int, steps: int
) -> Float[Array, "K d"]:
    """The same values, without gradient in the first `steps` steps.

    Weight decay and an optimizer's momentum change values even without a gradient. So prototypes
    that must not change are restored in `after_update`, as long as `is_held`.
    """
    return jnp.where(is_held(step, steps), jax.lax.stop_gradient(prototypes), prototypes)


def is_held(step: Int[Array, ""] | int, steps: int) -> Bool[Array, ""]:
    """Whether the step is one of the first `steps`, counted from 0."""
    return jnp.asarray(step < steps)
