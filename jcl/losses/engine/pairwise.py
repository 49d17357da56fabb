"""The pairwise engine: a reduction over all columns of the global batch, for every row.

Most contrastive objectives reduce, for each row, its similarities to every column. A loss
writes that reduction for *one* row as a pure function; `map_rows` evaluates it for all rows
on any mesh, a block of rows at a time, so memory is `block_size x columns` and never the
whole matrix.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree

from jcl.errors import UserError
from jcl.mesh import check_even_split

# Rows in a block. Smaller blocks are bound by memory, larger ones are no faster on CPUs. A constant
# size keeps memory linear in the number of columns.
_BLOCK_SIZE = 128


def map_rows(
    row_fn: Callable[[Array, Any, Any, Any], PyTree[Array]],
    rows: PyTree[Array],
    columns: PyTree[Array],
    replicated: PyTree[ArrayLike],
    *,
    mesh: Mesh | None,
    block_size: int | None,
) -> PyTree[Array]:
    """Evaluate `row_fn` for every row against all columns of the global batch.

    With a mesh, rows stay on the devices that hold them and columns are all-gathered. The
    result and its gradients are those of one device. The gradient of a column holds the terms of
    every row on every device. Blocks are recomputed in the backward pass. Floats narrower than 32
    bits reach `row_fn` as float32, and a gradient is summed over all rows before it is rounded.

    `row_fn` is written for a single row, without a batch axis, and is vectorised over a block
    of rows. It may use any JAX operation, and needs no collective:

    * to keep gradients out of the columns (momentum keys, mixtures), apply
      `jax.lax.stop_gradient` to them inside it;
    * for other similarities than `inner_products`, compute them from the vectors, for example by
      `distances`;
    * pass all traced values (temperature, queue, prototypes) through `replicated`: `row_fn` must
      not close over traced values.

    Args:
        row_fn: `(index, row, columns, replicated) -> pytree of arrays`. `index` is an integer
            scalar: the position of the row in the global batch. `row` is `rows` at that
            position. `columns` and `replicated` are complete.
        rows: arrays `[R, ...]`.
        columns: arrays `[C, ...]` in any tree, also another than that of `rows`, or none, `()`.
            Columns have the order of the global batch, so `jnp.arange(C)` are their positions.
        replicated: arrays of any shape, or numbers, that every row needs as a whole.
        mesh: rows and columns are sharded over all axes of this mesh; None computes as one
            device would, for any number of rows.
        block_size: rows evaluated at once on one device; None chooses.

    Returns:
        What `row_fn` returns, each array with a leading axis `[R, ...]`, sharded like `rows`.

    Raises:
        UserError: rows or columns cannot be split evenly over the mesh, or `block_size < 1`.

    Example:
        >>> import jax.numpy as jnp
        >>> def nearest(index, row, columns, replicated):
        ...     similarity = inner_products(row, columns)
        ...     others = jnp.arange(columns.shape[0]) != index
        ...     return jnp.argmax(jnp.where(others, similarity, -jnp.inf))
        >>> x = jnp.array([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]])
        >>> map_rows(nearest, x, x, None, mesh=None, block_size=None).tolist()
        [2, 2, 0]
    """
    check_block_size(block_size)
    # The positions are sharded like the rows, so no device has to compute its own position.
    indexed_rows = (jnp.arange(_leading_size(rows)), rows)

    def map_blocks(
        indexed_rows: PyTree[Array], columns: PyTree[Array], replicated: PyTree[Array]
    ) -> PyTree[Array]:
        # Inside a scan XLA cannot merge the recomputation with anything, so the barriers of
        # prevent_cse are not needed and would hinder fusion.
        @partial(jax.checkpoint, prevent_cse=False)
        def one_row(indexed_row: PyTree[Array]) -> PyTree[Array]:
            index, row = _widen(indexed_row)
            return row_fn(index, row, columns, replicated)

        local_rows = _leading_size(indexed_rows)
        block = block_size or _choose_block_size(local_rows)
        return jax.lax.map(one_row, indexed_rows, batch_size=min(block, local_rows))

    # Rows are widened one block at a time: the gradient of a row is not a sum over blocks.
    columns, replicated = _widen((columns, replicated))
    return with_all_columns(map_blocks, indexed_rows, columns, replicated, mesh=mesh)


def with_all_columns(
    function: Callable[[Any, Any, Any], PyTree[Array]],
    rows: PyTree[Array],
    columns: PyTree[Array],
    replicated: PyTree[Array],
    *,
    mesh: Mesh | None,
) -> PyTree[Array]:
    """Evaluate `function` on every device for its own rows and the columns of all devices.

    Losses and their gradients communicate between devices only here. Columns are all-gathered.
    Every device has partial sums of their gradients, which the transposed operation reduces and
    scatters.

    Args:
        function: `(rows, columns, replicated) -> pytree of arrays`, given the rows of one device.
        rows: arrays `[R, ...]`.
        columns: arrays `[C, ...]`.
        replicated: arrays of any shape.
        mesh: rows and columns are sharded over all axes of this mesh; None calls the function once,
            with all rows.

    Returns:
        What `function` returns on the devices, one after the other along the leading axes.

    Raises:
        UserError: rows or columns cannot be split evenly over the mesh.
    """
    if mesh is None:
        return function(rows, columns, replicated)
    for x in jax.tree.leaves((rows, columns)):
        check_even_split(len(x), mesh)

    def on_one_device(
        rows: PyTree[Array], columns: PyTree[Array], replicated: PyTree[Array]
    ) -> PyTree[Array]:
        def gather(x: Array) -> Array:
            return jax.lax.all_gather(x, mesh.axis_names, tiled=True)

        return function(rows, jax.tree.map(gather, columns), replicated)

    sharded = PartitionSpec(mesh.axis_names)
    return jax.shard_map(
        on_one_device,
        mesh=mesh,
        in_specs=(sharded, sharded, PartitionSpec()),
        out_specs=sharded,
        # The check would reject a plain loop inside the function, because the loop's initial value
        # looks replicated and its result does not. All results are sharded, so the check is not
        # needed.
        check_vma=False,
    )(rows, columns, replicated)


def check_block_size(block_size: int | None) -> None:
    """Raises UserError for a block of less than one row."""
    if block_size is not None and block_size < 1:
        raise UserError(f"block_size is {block_size}, but must be at least 1.")


def inner_products(row: Float[Array, " d"], columns: Float[Array, "C d"]) -> Float[Array, " C"]:
    """Inner products of one row with all columns, in the full precision of their dtype."""
    # GPUs and TPUs would otherwise round float32 operands; 1 / temperature amplifies the error.
    return jnp.einsum("d,cd->c", row, columns, precision=jax.lax.Precision.HIGHEST)


def distances(row: Float[Array, " d"], columns: Float[Array, "C d"]) -> Float[Array, " C"]:
    """Euclidean distances of one row to all columns; a distance of zero has zero gradient.

    Distances of near rows are exact too, unlike those that are computed from inner products. The
    computation needs no more memory than its result.
    """

    @partial(jax.checkpoint, prevent_cse=False)
    def squared_distance(column: Float[Array, " d"]) -> Float[Array, ""]:
        return jnp.sum(jnp.square(row - column))

    # The differences to C / d columns are C numbers, as many as the distances.
    chunk = -(-columns.shape[0] // columns.shape[1])
    squared = jax.lax.map(squared_distance, columns, batch_size=chunk)
    # A distance whose square underflows counts as zero. NaN must stay NaN.
    is_zero = squared < jnp.finfo(squared.dtype).tiny
    # The inner `where` keeps the square root's gradient finite, the outer one makes it zero.
    return jnp.where(is_zero, 0, jnp.sqrt(jnp.where(is_zero, 1, squared)))


def squared_distances(row: Float[Array, " d"], columns: Float[Array, "C d"]) -> Float[Array, " C"]:
    """Squared Euclidean distances of one row to all columns, from inner products.

    Much faster than `distances`. For near rows the result has the rounding error of the squared
    norms after the columns' mean is subtracted, and may be slightly below zero.
    """
    mean = jax.lax.stop_gradient(columns.mean(0))
    row, columns = row - mean, columns - mean  # small numbers round less
    norms = jnp.sum(jnp.square(columns), axis=1)
    return jnp.sum(jnp.square(row)) + norms - 2 * inner_products(row, columns)


def _widen(tree: PyTree[ArrayLike]) -> PyTree[Array]:
    """Casts floats of less than 32 bits to float32, and nothing else."""

    def widen(x: ArrayLike) -> Array:
        x = jnp.asarray(x)
        is_narrow = jnp.issubdtype(x.dtype, jnp.floating) and jnp.finfo(x.dtype).bits < 32
        return x.astype(jnp.float32) if is_narrow else x

    return jax.tree.map(widen, tree)


def _choose_block_size(number_of_rows: int) -> int:
    """About `_BLOCK_SIZE`, chosen so that all blocks, the last one too, have nearly equal sizes."""
    number_of_blocks = -(-number_of_rows // _BLOCK_SIZE)
    return -(-number_of_rows // number_of_blocks)


def _leading_size(tree: PyTree[Array]) -> int:
    """Length of the leading axis, which all arrays of the tree share."""
    return jax.tree.leaves(tree)[0].shape[0]
