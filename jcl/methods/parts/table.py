"""A table with a row for each training example, written when the example is visited.

Take it if a step needs values that an earlier step computed for the same examples. For comparisons
with any other examples, `jcl.methods.parts.queue` is smaller. A table is a pytree of arrays
[N, ...] and part of `method_state`. An example occurs once in a batch, so no row is written twice
in a step.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

PyTree = Any


def start(examples: int, first: PyTree) -> PyTree:
    """A table in which all rows are equal.

    Args:
        examples: N, the size of the training split.
        first: the row: arrays [...]; the table has their dtypes.
    """
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (examples, *jnp.shape(x))), first)


def read(table: PyTree, index: Int[Array, " B"]) -> PyTree:
    """The rows [B, ...] of examples.

    Args:
        table: of all examples.
        index: of the examples of the batch, `batch["index"]`.
    """
    return jax.tree.map(lambda x: x[index], table)


def write(table: PyTree, index: Int[Array, " B"], rows: PyTree) -> PyTree:
    """The table with new rows for some examples; the others do not change.

    Args:
        table: before.
        index: of the examples.
        rows: [B, ...], of the table's structure.
    """
    return jax.tree.map(lambda x, new: x.at[index].set(new.astype(x.dtype)), table, rows)
