"""What `benchmarks.losses` compares: a loss, its inputs, and who implements it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np


class Inputs(NamedTuple):
    """One global batch, by the names that arguments have in `jcl.losses`."""

    embeddings: dict[str, jax.Array]  # which get gradients
    beside: dict[str, jax.Array]  # labels, queues and the like, which get none


class Compared(NamedTuple):
    """A loss of the table."""

    # Of M rows of d dimensions.
    make_inputs: Callable[[np.random.Generator, int, int], Inputs]
    # Products of M x M x d numbers: those of the logits, and one for each side that gets gradients.
    products: float
    # By whom -> the function of all arrays of `Inputs`, by name. Ours comes first.
    functions: dict[str, Callable[..., jax.Array]]


class Implementation(NamedTuple):
    """One row of the table."""

    loss: str
    name: str
    peak_bytes: int  # what a call needs, about
    xla_temporary: int | None  # bytes that XLA's program takes besides inputs and outputs
    call: Callable[[Inputs], tuple[Any, dict[str, Any]]]  # value, gradients of the embeddings
