"""Prototypes: unit vectors that examples are compared with, trained like weights."""

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jcl.config.checks import check_count
from jcl.errors import UserError
from jcl.losses import unit_rows


def check(key: str, count: int) -> None:
    """Raises UserError unless there are two prototypes or more: one tells no examples apart."""
    check_count(key, count)
    if count < 2:
        raise UserError(f"{key}={count} is impossible: fewer than two tell no examples apart")


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
    """Unit rows again, after an update moved them off the sphere."""
    return unit_rows(prototypes).astype(prototypes.dtype)


def held(
    prototypes: Float[Array, "K d"], step: Int[Array, ""] | int, steps: int
) -> Float[Array, "K d"]:
    """The same values; in the first `steps` steps no gradient reaches them.

    Weight decay and the momentum of an optimizer need no gradient: what must not move at all is put
    back in `after_update`, while `is_held`.
    """
    return jnp.where(is_held(step, steps), jax.lax.stop_gradient(prototypes), prototypes)


def is_held(step: Int[Array, ""] | int, steps: int) -> Bool[Array, ""]:
    """Whether the step is one of the first `steps`, the first of all being 0."""
    return jnp.asarray(step < steps)
