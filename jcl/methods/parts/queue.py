"""A queue of the newest keys, as negatives or neighbours beyond the batch.

Take it for comparisons with any other examples. If a step needs values that an earlier step
computed for the same examples, take `jcl.methods.parts.table`.
"""

from typing import TypedDict

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jcl.errors import UserError
from jcl.losses import unit_rows


class Queue(TypedDict):
    """The state of a queue; losses take its `rows`.

    Attributes:
        rows: unit vectors [K, d].
        position: int32 [], the oldest row, which is overwritten next.
    """

    rows: Float[Array, "K d"]
    position: Int[Array, ""]


def check_size(key: str, size: int, batch: int) -> None:
    """Raises UserError unless the queue's size, the value of `key`, is a multiple of the batch."""
    if size % batch:
        raise UserError(
            f"{key}={size} is impossible with batch_size={batch}: it must be a multiple of "
            "batch_size, because whole batches enter and leave the queue"
        )


def start(key: PRNGKeyArray, size: int, width: int, dtype: DTypeLike = jnp.float32) -> Queue:
    """A queue of random directions, which keys replace during the first steps.

    Args:
        key: for the directions.
        size: K.
        width: d.
        dtype: float32, or float64 if keys are float64.

    Source: He et al. 2020 (MoCo), the code.
    """
    rows = unit_rows(jax.random.normal(key, (size, width), dtype))
    return {"rows": rows, "position": jnp.zeros((), jnp.int32)}


def push(queue: Queue, keys: Float[Array, "B d"]) -> Queue:
    """Writes a batch of keys over the oldest; after K / B pushes it holds the last K keys.

    Args:
        queue: before.
        keys: raw, in the order of the global batch; their unit vectors are stored.

    Raises:
        UserError: K is not divisible by B.
    """
    rows, position = queue["rows"], queue["position"]
    size, batch = len(rows), len(keys)
    if size % batch:
        raise UserError(
            f"a queue of {size} keys is not divisible by the batch of {batch}: its size must be a "
            "multiple of the batch's"
        )
    rows = jax.lax.dynamic_update_slice_in_dim(
        rows, unit_rows(keys).astype(rows.dtype), position, axis=0
    )
    return {"rows": rows, "position": (position + batch) % size}
