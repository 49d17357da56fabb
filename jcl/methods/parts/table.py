"""A table with a row for each training example, written when the example is visited.

Take it where a step needs what an earlier one found of its own examples; where any other examples
will do, `jcl.methods.parts.queue` is smaller. A table is a pytree of arrays [N, ...] and part of
`method_state`. An example stands in a batch once, so no row is written twice in a step.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

PyTree = Any


def start(examples: int, first: PyTree) -> PyTree:
    """A table in which all rows are alike.

    Args:
        examples: N, of the training split.
        first: the row: arrays [...], whose dtypes the table has.
    """
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (examples, *jnp.shape(x))), first)


def read(table: PyTree, index: Int[Array, " B"]) -> PyTree:
    """The rows [B, ...] of examples.

    Args:
        table: of all examples.
        index: of those in the batch, `batch["index"]`.
    """
    return jax.tree.map(lambda x: x[index], table)


def write(table: PyTree, index: Int[Array, " B"], rows: PyTree) -> PyTree:
    """The table with new rows for some examples; all others stay.

    Args:
        table: before.
        index: of the examples.
        rows: [B, ...], of the table's structure.
    """
    return jax.tree.map(lambda x, new: x.at[index].set(new.astype(x.dtype)), table, rows)
