"""The fast path for losses that are logsumexps over a symmetric matrix of similarities.

One device compares every unordered pair of rows once. On a mesh each device computes the values
and the whole gradient of its own rows. Two devices that share a similarity both form it, and no
gradient is sent.
"""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
from jax.nn import logsumexp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from jcl.losses.engine.pair_tiles import (
    Cotangents,
    Vectors,
    cut,
    cut_like,
    join,
    pair_gradients,
    product,
    reduce_pairs,
    softmaxes,
)
from jcl.losses.engine.pairwise import check_block_size, inner_products, map_rows

Excluded = Literal["row", "group"]


def log_denominator_and_positive(
    z: Float[Array, "M d"],
    group: Int[Array, " M"],
    temperature: Float[Array, ""],
    *,
    excluded: Excluded,
    mesh: Mesh | None,
    block_size: int | None,
) -> tuple[Float[Array, " M"], Float[Array, " M"]]:
    """For every row, the logsumexp of its logits with the others and the mean positive logit.

    With `s` the inner product over the temperature, row i gets log sum_j exp s(z_i, z_j) over all
    j but i, or but the group of i, and the mean of s(z_i, z_p) over the other rows p of its group
    (0 if there are none). Both come from the same products, so their rounding errors cancel in a
    difference. The gradient with respect to z and temperature is exact. The backward pass forms the
    products again, so memory is linear in M.

    Args:
        z: unit rows, or rows of zeros.
        group: integers, only compared for equality. On one device it is fastest where the rows of
            a group stand side by side.
        temperature: positive scalar.
        excluded: "row": i itself; "group": all rows of i's group.
        mesh: rows are sharded over all axes of this mesh; None computes as one device would.
        block_size: side of a tile, on a mesh rows of a block; None chooses.

    Raises:
        UserError: rows cannot be split evenly over the mesh, or `block_size < 1`.
    """
    check_block_size(block_size)
    if mesh is not None and mesh.size == 1:
        mesh = None
    log_denominator, positive, _ = _reduce(z, group, temperature, excluded, mesh, block_size)
    return log_denominator, positive


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def _reduce(z, group, temperature, excluded, mesh, block_size):
    if mesh is not None:
        reduce_row = functools.partial(_reduce_row, excluded=excluded)
        rows = z, group
        return map_rows(reduce_row, rows, rows, temperature, mesh=mesh, block_size=block_size)
    tiles = _cut(z, group, block_size)
    (reduced,) = reduce_pairs((tiles,), _unordered(tiles), temperature, mask=_MASKS[excluded])
    reduced = join(reduced, len(z))
    return (
        reduced.log_denominator,
        reduced.positive / jnp.maximum(reduced.count, 1),
        reduced.count,
    )


def _keep_for_backward(z, group, temperature, excluded, mesh, block_size):
    outputs = _reduce(z, group, temperature, excluded, mesh, block_size)
    log_denominator, _, count = outputs
    return outputs, (z, group, temperature, log_denominator, count)


def _backward(excluded, mesh, block_size, kept, cotangents):
    z, group, temperature, log_denominator, count = kept
    of_log_denominator, of_positive, _ = cotangents
    known = Cotangents(log_denominator, of_log_denominator, of_positive / jnp.maximum(count, 1))
    if mesh is not None:
        row_gradient = functools.partial(_row_gradient, excluded=excluded)
        rows = z, group, known
        gradient = map_rows(row_gradient, rows, rows, temperature, mesh=mesh, block_size=block_size)
    else:
        tiles = _cut(z, group, block_size)
        (gradient,) = pair_gradients(
            (tiles,),
            _unordered(tiles),
            temperature,
            (cut_like(tiles, known),),
            mask=_MASKS[excluded],
        )
        gradient = join(gradient, len(z))
    # Every term depends on z only through z_i . z_j / temperature, and z_i . gradient_i counts
    # each term twice, once for either row.
    return gradient, None, -jnp.sum(z * gradient) / (2 * temperature)


_reduce.defvjp(_keep_for_backward, _backward)


def _cut(z, group, block_size) -> Vectors:
    return cut(Vectors(z, group, jnp.arange(len(z))), block_size)


def _unordered(tiles: Vectors) -> tuple[Int[Array, " p"], Int[Array, " p"]]:
    return tuple(map(jnp.asarray, jnp.triu_indices(len(tiles.place))))


def _others(rows: Vectors, columns: Vectors):
    other = rows.place[:, None] != columns.place
    return other, other & (rows.group[:, None] == columns.group)


def _others_of_other_groups(rows: Vectors, columns: Vectors):
    other, positive = _others(rows, columns)
    return other & ~positive, positive


_MASKS = {"row": _others, "group": _others_of_other_groups}


def _reduce_row(index, row, columns, temperature, *, excluded):
    z, group = row
    every_z, every_group = columns
    logits = inner_products(z, every_z) / temperature
    included, positive = _masks_of_row(index, group, every_group, excluded)
    count = positive.sum(dtype=logits.dtype)
    mean_positive = jnp.where(positive, logits, 0).sum() / jnp.maximum(count, 1)
    return logsumexp(jnp.where(included, logits, -jnp.inf)), mean_positive, count


def _row_gradient(index, row, columns, temperature, *, excluded):
    z, group, known = row
    every_z, every_group, every_known = columns
    logits = inner_products(z, every_z) / temperature
    included, positive = _masks_of_row(index, group, every_group, excluded)
    by_logit = jnp.where(included, softmaxes(logits, known, every_known), 0)
    by_logit += jnp.where(positive, known.of_positive + every_known.of_positive, 0)
    return product("c,cd->d", by_logit, every_z) / temperature


def _masks_of_row(index, group, every_group, excluded):
    is_other = jnp.arange(len(every_group)) != index
    positive = (every_group == group) & is_other
    return (is_other if excluded == "row" else every_group != group), positive
