"""Sums of exponentials over pairs of rows and columns, every tile of pairs formed once.

A tile of logits serves its rows and its columns alike: both get their logsumexps from it, and in
the backward pass, where it is formed again, both get their gradients. This is the arithmetic of the
fast paths on one device; `symmetric` and `two_sided` say which pairs there are.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

# Side of a tile: large enough for matrix products, small enough for caches.
_TILE = 512
# From this temperature on, one shift by the largest possible logit suits all rows: the smallest
# exponential, exp(-2 / 0.03) = 1e-29, is a normal float32.
_LOWEST_SHIFTED = 0.03


class Vectors(NamedTuple):
    """Unit rows, or columns, and what masks need to know about them."""

    z: Float[Array, "*n d"]
    group: Int[Array, "*n"]  # pairs within a group are positives
    place: Int[Array, "*n"]  # position in the global batch, -1 for padding


# Of all rows r and columns c of a tile, which pairs are in the sums and which are positives. It is
# asked only about tiles that may hold a pair within a group: all others are in the sums as a whole.
Mask = Callable[[Vectors, Vectors], tuple[Bool[Array, "r c"], Bool[Array, "r c"]]]


class Reduced(NamedTuple):
    """What all pairs of a row (or a column) come to."""

    log_denominator: Float[Array, "*n"]  # logsumexp of the logits in the sum
    positive: Float[Array, "*n"]  # sum of the logits of positives
    count: Float[Array, "*n"]  # number of positives


class Cotangents(NamedTuple):
    """What the backward pass must know of a row (or a column)."""

    log_denominator: Float[Array, "*n"]  # the value itself
    of_log_denominator: Float[Array, "*n"]
    of_positive: Float[Array, "*n"]


def cut(vectors: Vectors, block_size: int | None) -> Vectors:
    """Cuts `[N, ...]` into tiles `[n, t, ...]`, as equal as can be, and pads the last."""
    size = len(vectors.place)
    count = -(-size // (block_size or _TILE))
    tile = -(-size // count)
    padded = Vectors(*(_pad(x, count * tile) for x in vectors))
    real = jnp.arange(count * tile) < size
    padded = padded._replace(place=jnp.where(real, padded.place, -1))
    return jax.tree.map(lambda x: x.reshape(count, tile, *x.shape[1:]), padded)


def cut_like(tiles: Vectors, values: PyTree[Array]) -> PyTree[Array]:
    """Cuts arrays `[N, ...]` as `tiles` were cut; padding is zero."""
    n, t = tiles.place.shape
    return jax.tree.map(lambda x: _pad(x, n * t).reshape(n, t, *x.shape[1:]), values)


def join(tiles: PyTree[Array], size: int) -> PyTree[Array]:
    """Undoes `cut`: `[n, t, ...]` to `[size, ...]`."""
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:size], tiles)


def merge(one: Reduced, other: Reduced) -> Reduced:
    """What two disjoint sets of pairs come to together."""
    return Reduced(
        jnp.logaddexp(one.log_denominator, other.log_denominator),
        one.positive + other.positive,
        one.count + other.count,
    )


def reduce_pairs(
    rows: Vectors,
    columns: Vectors,
    pairs: tuple[Int[Array, " p"], Int[Array, " p"]],
    temperature: Float[Array, ""],
    *,
    mask: Mask,
) -> tuple[Reduced, Reduced]:
    """Reduces the logits of given pairs of tiles along both of their axes.

    Args:
        rows: tiles `[n, r, ...]`.
        columns: tiles `[m, c, ...]`.
        pairs: indices of the row tile and of the column tile of each pair.
        temperature: the logits are inner products over this positive scalar.
        mask: see `Mask`.

    Returns:
        Of every row `[n, r]` and of every column `[m, c]`. Where a sum is empty, its logarithm is
        minus infinity.
    """
    return jax.lax.cond(
        temperature >= _LOWEST_SHIFTED,
        functools.partial(_reduce_pairs, mask=mask, shifted=True),
        functools.partial(_reduce_pairs, mask=mask, shifted=False),
        rows,
        columns,
        pairs,
        temperature,
    )


def pair_gradients(
    rows: Vectors,
    columns: Vectors,
    pairs: tuple[Int[Array, " p"], Int[Array, " p"]],
    temperature: Float[Array, ""],
    of_rows: Cotangents,
    of_columns: Cotangents,
    *,
    mask: Mask,
) -> tuple[Float[Array, "n r d"], Float[Array, "m c d"]]:
    """Gradients with respect to rows and columns; arguments as of `reduce_pairs`."""
    return jax.lax.cond(
        temperature >= _LOWEST_SHIFTED,
        functools.partial(_pair_gradients, mask=mask, shifted=True),
        functools.partial(_pair_gradients, mask=mask, shifted=False),
        rows,
        columns,
        pairs,
        temperature,
        of_rows,
        of_columns,
    )


def softmaxes(
    logits: Float[Array, "*r c"],
    of_rows: Cotangents,
    of_columns: Cotangents,
    shift: Float[Array, ""] | None = None,
) -> Float[Array, "*r c"]:
    """The derivative of a row's and a column's logsumexps by each logit that is in their sums.

    With a `shift` near the largest logit, one exponential serves both; without, the result is
    exact however far the logits lie apart.
    """
    row, column = (jax.tree.map(lambda x: x[..., None], of_rows), of_columns)
    if shift is None:
        by_row = row.of_log_denominator * jnp.exp(logits - row.log_denominator)
        return by_row + column.of_log_denominator * jnp.exp(logits - column.log_denominator)
    row_scale, column_scale = (
        x.of_log_denominator * jnp.exp(shift - x.log_denominator) for x in (row, column)
    )
    return jnp.exp(logits - shift) * (row_scale + column_scale)


def product(subscripts: str, left: Array, right: Array) -> Array:
    """An einsum in the full precision of its dtype."""
    # GPUs and TPUs would otherwise round float32 operands; 1 / temperature amplifies that.
    return jnp.einsum(subscripts, left, right, precision=jax.lax.Precision.HIGHEST)


def _reduce_pairs(rows, columns, pairs, temperature, *, mask, shifted):
    shift = 1 / temperature
    if shifted:
        empty, combine = 0, jnp.add

        def total(logits, axis):
            return jnp.exp(logits - shift).sum(axis)
    else:
        empty, combine, total = -jnp.inf, jnp.logaddexp, jax.nn.logsumexp

    def add(carry, pair):
        row, column = _tile(rows, pair[0]), _tile(columns, pair[1])
        logits = product("id,jd->ij", row.z, column.z)

        def whole(axis):
            nothing = jnp.zeros(logits.shape[1 - axis], logits.dtype)
            return Reduced(total(logits, axis), nothing, nothing)

        def masked(axis):
            included, positive = _mask(mask, row, column)
            return Reduced(
                total(jnp.where(included, logits, -jnp.inf), axis),
                jnp.where(positive, logits, 0).sum(axis),
                positive.sum(axis, dtype=logits.dtype),
            )

        reduced = jax.lax.cond(
            _is_whole(row, column), lambda: (whole(1), whole(0)), lambda: (masked(1), masked(0))
        )
        return tuple(map(accumulate, carry, pair, reduced)), None

    def accumulate(sums, index, more):
        old = _tile(sums, index)
        new = Reduced(
            combine(old.log_denominator, more.log_denominator),
            old.positive + more.positive,
            old.count + more.count,
        )
        return jax.tree.map(lambda x, y: x.at[index].set(y), sums, new)

    def start(vectors):
        return Reduced(*(jnp.full(vectors.place.shape, x, vectors.z.dtype) for x in (empty, 0, 0)))

    rows = rows._replace(z=rows.z / temperature)  # so products with them are logits
    sums, _ = jax.lax.scan(add, (start(rows), start(columns)), pairs)
    if not shifted:
        return sums
    return tuple(x._replace(log_denominator=shift + jnp.log(x.log_denominator)) for x in sums)


def _pair_gradients(rows, columns, pairs, temperature, of_rows, of_columns, *, mask, shifted):
    shift = 1 / temperature if shifted else None

    def add(gradients, pair):
        a, b = pair
        row, column = _tile(rows, a), _tile(columns, b)
        of_row, of_column = _tile(of_rows, a), _tile(of_columns, b)
        logits = product("id,jd->ij", row.z, column.z)
        by_logit = softmaxes(logits, of_row, of_column, shift)

        def products(by_logit):
            return product("ij,jd->id", by_logit, column.z), product("id,ij->dj", row.z, by_logit)

        def masked():
            included, positive = _mask(mask, row, column)
            positives = of_row.of_positive[:, None] + of_column.of_positive
            return products(jnp.where(included, by_logit, 0) + jnp.where(positive, positives, 0))

        # The products stand in the branches: a branch that returned a tile would copy it.
        by_row, by_column = jax.lax.cond(_is_whole(row, column), lambda: products(by_logit), masked)
        of_z, of_other_z = gradients
        return (of_z.at[a].add(by_row), of_other_z.at[b].add(by_column)), None

    # Those of columns lie transposed until all are summed: a CPU takes half as long again for a
    # product with a transposed tile of logits.
    start = jnp.zeros_like(rows.z), jnp.zeros_like(columns.z.mT)
    rows = rows._replace(z=rows.z / temperature)  # so products with them are logits
    (of_z, of_other_z), _ = jax.lax.scan(add, start, pairs)
    return of_z / temperature, of_other_z.mT


def _is_whole(row: Vectors, column: Vectors) -> Bool[Array, ""]:
    """Whether all pairs of two tiles are real and none is within a group."""
    apart = (row.group.max() < column.group.min()) | (column.group.max() < row.group.min())
    return apart & (row.place.min() >= 0) & (column.place.min() >= 0)


def _mask(mask, row, column):
    included, positive = mask(row, column)
    real = (row.place >= 0)[:, None] & (column.place >= 0)
    return included & real, positive & real


def _tile(tiles, index):
    return jax.tree.map(lambda x: x[index], tiles)


def _pad(x, size):
    return jnp.pad(x, ((0, size - len(x)), *[(0, 0)] * (x.ndim - 1)))
