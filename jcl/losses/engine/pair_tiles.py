"""Sums of exponentials over pairs of rows and columns; every tile of pairs is computed once.

A tile of logits is used for its rows and for its columns. The forward pass computes the logsumexps
of both from it. The backward pass computes the tile again, and from it the gradients of both. This
module is the arithmetic of the fast paths on one device; `symmetric` and `two_sided` choose the
pairs.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from jcl.losses.engine.unrounded import Unrounded, unrounded_inner_products, unrounded_sum

# Sides of a tile, large enough for matrix products and small enough for caches. Between these
# limits the side grows with sqrt(batch), so a tile's memory grows no faster than the batch.
_SMALLEST, _LARGEST = 512, 1024
# From this temperature on, all rows can be shifted by the largest possible logit, because the
# smallest exponential, exp(-2 / 0.03) = 1e-29, is still a normal float32.
_LOWEST_SHIFTED = 0.03


class Vectors(NamedTuple):
    """Unit rows, or columns, and the values from which masks are made.

    A tile stores `z` as `[d, t]`, because CPUs run both matrix products of a tile fastest in that
    layout.
    """

    z: Float[Array, "*n d"] | Float[Array, "*n d t"]
    group: Int[Array, "*n"]  # pairs within a group are positives
    place: Int[Array, "*n"]  # position in the global batch, -1 for padding
    apart: Bool[Array, "*n"]  # whether positives are left out of the sums; one value per group
    exact: Unrounded | None  # the same vectors as `z`, for embeddings that were bfloat16


# Tiles of rows and tiles of columns; or tiles that are both.
Sides = tuple[Vectors, Vectors] | tuple[Vectors]


class Reduced(NamedTuple):
    """Reductions over all pairs of a row (or a column)."""

    log_sum: Float[Array, "*n"]  # logsumexp of negatives, and of positives that are not apart
    positive: Float[Array, "*n"]  # sum of the logits of positives
    count: Float[Array, "*n"]  # number of positives


class Cotangents(NamedTuple):
    """The values of a row (or a column) that the backward pass needs."""

    log_sum: Float[Array, "*n"]  # the value itself
    of_log_sum: Float[Array, "*n"]
    of_positive: Float[Array, "*n"]


def rows_of_a_block(columns: int) -> int:
    """The number of rows that a GPU compares with this number of columns at once.

    A few large products keep a GPU busy. Their logits take 256 MiB, or are those of 128 rows.
    """
    return max(128, min(2**26 // columns, 2048))


def cut(vectors: Vectors, block_size: int | None) -> Vectors:
    """Cuts `[N, ...]` into tiles `[n, t]`, as equal as can be, and pads the last; see `Vectors`."""
    size = len(vectors.place)
    count = -(-size // (block_size or max(_SMALLEST, min(math.isqrt(128 * size), _LARGEST))))
    tile = -(-size // count)
    padded = jax.tree.map(lambda x: _pad(x, count * tile), vectors)
    real = jnp.arange(count * tile) < size
    padded = padded._replace(place=jnp.where(real, padded.place, -1))
    tiles = jax.tree.map(lambda x: x.reshape(count, tile, *x.shape[1:]), padded)
    exact = tiles.exact and tiles.exact._replace(rows=tiles.exact.rows.mT)
    return tiles._replace(z=tiles.z.mT, exact=exact)


def cut_like(tiles: Vectors, values: PyTree[Array]) -> PyTree[Array]:
    """Cuts arrays `[N, ...]` as `tiles` were cut; padding is zero."""
    n, t = tiles.place.shape
    return jax.tree.map(lambda x: _pad(x, n * t).reshape(n, t, *x.shape[1:]), values)


def join(tiles: PyTree[Array], size: int) -> PyTree[Array]:
    """From `[n, t, ...]` to `[size, ...]`, without the padding."""
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:size], tiles)


def reduce_pairs(
    sides: Sides,
    pairs: tuple[Int[Array, " p"], Int[Array, " p"]],
    temperature: Float[Array, ""],
    *,
    masks_everywhere: bool = False,
) -> tuple[Reduced, ...]:
    """Reduces the logits of given pairs of tiles along both of their axes.

    If one side is both rows and columns, a vector does not form a pair with itself.

    Args:
        sides: the tiles of rows and those of columns, from `cut`; or those that are both.
        pairs: indices of the row tile and of the column tile of each pair.
        temperature: the logits are inner products over this positive scalar.
        masks_everywhere: for two sides, whether tiles are masked that do not need masks. The loop
            over tiles then has no branch. On GPUs a branch waits for the host; on CPUs it saves
            work.

    Returns:
        For every side, the reductions `[n, t]` over all pairs of a vector. If one side is both rows
        and columns, a vector's pairs as a row and as a column are added. The logarithm of an empty
        sum is minus infinity.
    """
    return jax.lax.cond(
        temperature >= _LOWEST_SHIFTED,
        functools.partial(_reduce_pairs, shifted=True, masks_everywhere=masks_everywhere),
        functools.partial(_reduce_pairs, shifted=False, masks_everywhere=masks_everywhere),
        sides,
        pairs,
        temperature,
    )


def pair_gradients(
    sides: Sides,
    pairs: tuple[Int[Array, " p"], Int[Array, " p"]],
    temperature: Float[Array, ""],
    known: tuple[Cotangents, ...],
    *,
    masks_everywhere: bool = False,
) -> tuple[Float[Array, "n t d"], ...]:
    """Gradients with respect to the vectors of every side.

    Args:
        sides: see `reduce_pairs`.
        pairs: see `reduce_pairs`.
        temperature: see `reduce_pairs`.
        known: what `Cotangents` holds, `[n, t]`, for every side.
        masks_everywhere: see `reduce_pairs`.
    """
    return jax.lax.cond(
        temperature >= _LOWEST_SHIFTED,
        functools.partial(_pair_gradients, shifted=True, masks_everywhere=masks_everywhere),
        functools.partial(_pair_gradients, shifted=False, masks_everywhere=masks_everywhere),
        sides,
        pairs,
        temperature,
        known,
    )


def softmaxes(
    logits: Float[Array, "*r c"],
    of_rows: Cotangents,
    of_columns: Cotangents,
    shift: Float[Array, ""] | None = None,
) -> Float[Array, "*r c"]:
    """The derivatives of a row's and a column's logsumexps by each logit in their sums.

    With a `shift` near the largest logit, one exponential is enough for both. Without a shift, the
    result is exact for logits that differ by any amount.
    """
    row, column = (jax.tree.map(lambda x: x[..., None], of_rows), of_columns)
    if shift is None:
        by_row = row.of_log_sum * jnp.exp(logits - row.log_sum)
        return by_row + column.of_log_sum * jnp.exp(logits - column.log_sum)
    row_scale, column_scale = (x.of_log_sum * jnp.exp(shift - x.log_sum) for x in (row, column))
    return jnp.exp(logits - shift) * (row_scale + column_scale)


def inner_products(subscripts: str, left: Vectors, right: Vectors) -> Float[Array, "..."]:
    """Inner products of unit vectors: an einsum of `left.z` and `right.z`.

    If both sides were given as bfloat16, matrix units multiply the original bfloat16 numbers.
    """

    def of_units(left, right):
        return _precise(subscripts, left.z, right.z)

    def of_unrounded(left, right):
        return unrounded_inner_products(subscripts, left.exact, right.exact)

    if left.exact is None or right.exact is None:
        return of_units(left, right)
    # CPUs multiply float32 as fast.
    return jax.lax.platform_dependent(left, right, cpu=of_units, default=of_unrounded)


def weighted_sum(
    subscripts: str, weights: Float[Array, "*n m"], vectors: Vectors
) -> Float[Array, "..."]:
    """Sums of m unit vectors: an einsum of `weights` and `vectors.z`. See `inner_products`."""

    def of_units(weights, vectors):
        return _precise(subscripts, weights, vectors.z)

    def of_unrounded(weights, vectors):
        return unrounded_sum(subscripts, weights, vectors.exact)

    if vectors.exact is None:
        return of_units(weights, vectors)
    return jax.lax.platform_dependent(weights, vectors, cpu=of_units, default=of_unrounded)


def _precise(subscripts, left, right):
    # GPUs and TPUs would otherwise round float32 operands; 1 / temperature amplifies the error.
    return jnp.einsum(subscripts, left, right, precision=jax.lax.Precision.HIGHEST)


def _reduce_pairs(sides, pairs, temperature, *, shifted, masks_everywhere):
    shift = scale = 1 / temperature  # of unit vectors, the scale is the largest possible logit
    if shifted:
        empty, combine = 0, jnp.add

        def total(logits, axis):
            return jnp.exp(logits - shift).sum(axis)
    else:
        empty, combine, total = -jnp.inf, jnp.logaddexp, jax.nn.logsumexp

    def add(sums, step):
        *pair, kind = step
        row, column = map(_tile, (sides[0], sides[-1]), pair)
        similarities = inner_products("di,dj->ij", row, column)

        def reduce_whole(axis):
            return nothing(axis)._replace(log_sum=total(scale * similarities, axis))

        def reduce_masked(axis):
            in_sum, positive = _masks(row, column, one_side=len(sides) == 1)
            logits = scale * similarities
            return Reduced(
                total(jnp.where(in_sum, logits, -jnp.inf), axis),
                jnp.where(positive, logits, 0).sum(axis),
                positive.sum(axis, dtype=logits.dtype),
            )

        def nothing(axis):
            size = similarities.shape[1 - axis]
            return Reduced(*(jnp.full(size, x, similarities.dtype) for x in (empty, 0, 0)))

        # The similarities are scaled inside the branches, where XLA fuses this with the sums.
        reduced = _by_kind(
            kind,
            whole=lambda: (reduce_whole(1), reduce_whole(0)),
            masked=lambda: (reduce_masked(1), reduce_masked(0)),
            same=lambda: (reduce_masked(1), nothing(0)),
        )
        return _update(sums, pair, reduced, combine_reduced), None

    def combine_reduced(old, more):
        return Reduced(
            combine(old.log_sum, more.log_sum),
            old.positive + more.positive,
            old.count + more.count,
        )

    def start(vectors):
        dtype = vectors.z.dtype
        return Reduced(*(jnp.full(vectors.place.shape, x, dtype) for x in (empty, 0, 0)))

    steps = *pairs, None if masks_everywhere else _kinds(sides, pairs)
    sums, _ = jax.lax.scan(add, tuple(map(start, sides)), steps)
    if not shifted:
        return sums
    return tuple(x._replace(log_sum=shift + jnp.log(x.log_sum)) for x in sums)


def _pair_gradients(sides, pairs, temperature, known, *, shifted, masks_everywhere):
    scale = 1 / temperature
    shift = scale if shifted else None

    def add(gradients, step):
        *pair, kind = step
        row, column = map(_tile, (sides[0], sides[-1]), pair)
        of_row, of_column = map(_tile, (known[0], known[-1]), pair)
        logits = scale * inner_products("di,dj->ij", row, column)
        by_logit = softmaxes(logits, of_row, of_column, shift)

        def to_rows(by_logit):
            return weighted_sum("ij,dj->di", by_logit, column)

        def to_columns(by_logit):
            return weighted_sum("ji,di->dj", by_logit.T, row)

        def masked():
            in_sum, positive = _masks(row, column, one_side=len(sides) == 1)
            positives = of_row.of_positive[:, None] + of_column.of_positive
            return jnp.where(in_sum, by_logit, 0) + jnp.where(positive, positives, 0)

        # The products are inside the branches, because a branch that returned a tile would copy it.
        by_row, by_column = _by_kind(
            kind,
            whole=lambda: (to_rows(by_logit), to_columns(by_logit)),
            masked=lambda: (to_rows(x := masked()), to_columns(x)),
            same=lambda: (to_rows(masked()), jnp.zeros_like(column.z)),
        )
        gradients = list(gradients)
        gradients[0] = gradients[0].at[pair[0]].add(by_row)
        gradients[-1] = gradients[-1].at[pair[1]].add(by_column)
        return tuple(gradients), None

    start = tuple(jnp.zeros_like(vectors.z) for vectors in sides)
    steps = *pairs, None if masks_everywhere else _kinds(sides, pairs)
    gradients, _ = jax.lax.scan(add, start, steps)
    return tuple(scale * gradient.mT for gradient in gradients)


def _kinds(sides, pairs) -> Int[Array, " p"]:
    """The `kind` of every pair of tiles that `_by_kind` takes."""

    def of_tiles(vectors, index):
        lowest, highest = vectors.group.min(1), vectors.group.max(1)
        return lowest[index], highest[index], (vectors.place.min(1) >= 0)[index]

    (low, high, real), (low_other, high_other, real_other) = map(
        of_tiles, (sides[0], sides[-1]), pairs
    )
    apart = (high < low_other) | (high_other < low)
    is_same = (pairs[0] == pairs[1]) & (len(sides) == 1)
    return jnp.where(is_same, 2, (apart & real & real_other).astype(jnp.int32))


def _by_kind(kind, *, masked, whole, same):
    """Evaluates one of three functions, depending on the pair of tiles.

    Args:
        kind: integer scalar, from `_kinds`; None masks every pair.
        masked: for tiles that hold padding, or may hold a pair within a group.
        whole: for all other pairs of two tiles.
        same: for a tile with itself. It contains every pair in both orders, so a vector meets all
            others as a row.
    """
    return masked() if kind is None else jax.lax.switch(kind, (masked, whole, same))


def _masks(row, column, *, one_side):
    """Masks of the pairs that enter the sums, and of the positives."""
    pair = (row.place >= 0)[:, None] & (column.place >= 0)
    if one_side:
        pair &= row.place[:, None] != column.place
    same_group = row.group[:, None] == column.group
    return pair & ~(same_group & row.apart[:, None]), pair & same_group


def _tile(tiles, index):
    return jax.tree.map(lambda x: x[index], tiles)


def _update(sides, pair, more, combine):
    """Adds to the row tile of a pair and then to its column tile, which may be of the same side."""

    def update(side, index, values):
        new = combine(_tile(side, index), values)
        return jax.tree.map(lambda x, y: x.at[index].set(y), side, new)

    sides = list(sides)
    sides[0] = update(sides[0], pair[0], more[0])
    sides[-1] = update(sides[-1], pair[1], more[1])
    return tuple(sides)


def _pad(x, size):
    return jnp.pad(x, ((0, size - len(x)), *[(0, 0)] * (x.ndim - 1)))
