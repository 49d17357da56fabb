"""What `benchmarks.losses` compares: a loss in somebody's implementation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax


class Inputs(NamedTuple):
    """What a loss may use of one global batch of B examples."""

    z0: jax.Array  # float32 [B, d], the first views
    z1: jax.Array  # float32 [B, d], the second views
    labels: jax.Array  # int32 [B], classes
    targets: jax.Array  # float32 [B], whole numbers
    key: jax.Array  # uint32 [2], of a PRNG


class Implementation(NamedTuple):
    """One row of the table."""

    loss: str
    name: str
    peak_bytes: int  # what a call needs, about
    xla_temporary: int | None  # bytes that XLA's program takes besides inputs and outputs
    call: Callable[[Inputs], tuple[Any, tuple[Any, Any]]]  # value, gradients of z0 and z1
