"""Sums over pairs of vectors as fused kernels for NVIDIA's Hopper GPUs, in Pallas Mosaic GPU.

With l_ij = (x_i . y_j) a_i b_j, in units of log 2, over the columns j that row i is compared with::

    log_sums        log2 sum_j 2^l_ij
    weighted_sums   sum_j (c_i 2^(l_ij - s_i) + c_j 2^(l_ij - s_j)) b_j y_j

x and y are bfloat16 and their products are summed in float32, so logits are exact. A float32 vector
is given as two bfloat16 halves side by side, x = high + low. Three products, high by high, high by
low and low by high, then give logits within 2^-16 |x| |y|.

A block of threads has two computing warpgroups and one copying warpgroup. It has only one computing
warpgroup if vectors are so wide that the rows of two do not fit. A computing warpgroup keeps its
rows in shared memory. The copying warpgroup streams tiles of columns into a ring of stages, a part
of a tile at a time. Every result belongs to one warpgroup, so there are no atomics, and results
have the same bits each time. If there are too few rows for all 132 multiprocessors, the columns are
split among several blocks, and XLA adds their partial results.

Masks are needed near the diagonal, where a tile contains columns that a row leaves out, and at the
columns' padding. There are three or four loops over tiles, most of them without a mask, instead of
one loop with a branch.

Budgets per block of threads: a thread of a computing warpgroup may use 232 registers. A float32
array [64, 128] takes 64 of them. Shared memory may be 227 KiB::

                                registers of a thread          KiB of shared memory
    log_sums, width <= 128      [128, 128]: 128                rows 64, ring 4 x 32        = 192
      of any range              [64, 128]: 64                  rows 32, ring 4 x 32        = 160
    log_sums, width <= 1024     [64, 128]: 64                  rows 128, ring 5 x 16       = 208
    weighted_sums, d <= 128     [64, 128] + [64, 128]: 128,    rows 32, ring 3 x 32,
                                weights of bfloat16: 32        sums 64                     = 192
      in halves                 [64, 64] + [64, 128]: 96,      rows 64, ring 2 x 32,
                                weights: 2 x 16                sums 64                     = 192
    weighted_sums, wider        [64, 128]: 64,                 rows 128, ring 3 x 16,
                                weights: 32                    weights 32                  = 208
      in halves                 [64, 64]: 32,                  rows 128, ring 4 x 8,
                                weights: 2 x 16                weights 32                  = 192

Shared memory also holds the scalars of rows and of a tile's columns, up to 8 KiB. `width` is d, or
2 d for halves, padded to a multiple of 64. A block has one computing warpgroup if `width` exceeds
512. For d > 128 a block of 64 rows has no registers for its sums of vectors. The weights of a chunk
of rows are then written to memory, and XLA multiplies. `benchmarks/hopper_machine_code.py` lists
register spills.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.experimental.pallas as pl
import jax.experimental.pallas.mosaic_gpu as plgpu
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, BFloat16, Float32, Int32

# Widths of vectors are multiples of this: the bfloat16 numbers in a row of swizzled memory.
ALIGNMENT = 64
# Largest width of vectors in `log_sums` and `weighted_sums`; both halves count.
WIDEST = 1024

_MULTIPROCESSORS = 132
_WEIGHTS_BYTES = 2**29  # of weights that are written to memory at once
_REGISTERS, _REGISTERS_TO_COPY = 232, 40  # a thread; 512 threads have 65,536
# Below any logit, and finite, because infinity minus itself is not a number.
_LOWEST = -1e30
_PRODUCT = plgpu.Layout.WGMMA  # of a tile in registers
# What a mask removes from a tile: columns that a row leaves out, and padding.
_LEFT_OUT, _PADDING = "left out", "padding"


class Side(NamedTuple):
    """Vectors, as rows or as columns."""

    x: BFloat16[Array, "N w"]  # of width d, or the halves of float32, [high | low]
    scale: Float32[Array, " N"]  # factor of a vector; for rows, it includes log2 e / temperature


class Known(NamedTuple):
    """The values of a row or a column that the backward pass needs."""

    log_sum: Float32[Array, " N"]  # s, in units of log 2
    cotangent: Float32[Array, " N"]  # c, at most about 1


class Kind(NamedTuple):
    """Which variant of the kernels a problem needs."""

    halves: int  # 1 for bfloat16, 2 for float32
    views: int  # row i leaves out the columns of the same i // views: 1, or 2 for pairs
    # For logits whose power of two would overflow: a running maximum, and two exponentials in the
    # backward pass.
    any_range: bool


@dataclasses.dataclass(frozen=True)
class _Blocks:
    """Sizes of the arrays in a block of threads."""

    rows: int  # of a computing warpgroup
    columns: int  # of a tile
    depth: int  # of a vector, in one stage of the ring
    stages: int
    warpgroups: int  # that compute

    @property
    def all_rows(self) -> int:
        return self.rows * self.warpgroups


def log_sums(
    rows: Side,
    columns: Side,
    offset: Int32[Array, ""] | None,
    kind: Kind,
) -> Float32[Array, " R"]:
    """log2 sum_j 2^l_ij of every row, over the columns that it does not leave out.

    Args:
        rows: any number.
        columns: any number.
        offset: which column the first row corresponds to, a multiple of `kind.views`. None for the
            first, which spares registers.
        kind: see `Kind`. Without `any_range`, logits lie between -100 and 100.
    """
    width = rows.x.shape[1]
    blocks = _blocks_of_sums(width, kind)
    launch = _Launch(rows, columns, offset, kind, blocks)
    return launch.log_sums()[: len(rows.x)]


def weighted_sums(
    rows: tuple[Side, Known],
    columns: tuple[Side, Known],
    offset: Int32[Array, ""] | None,
    kind: Kind,
) -> Float32[Array, "R d"]:
    """sum_j (c_i 2^(l_ij - s_i) + c_j 2^(l_ij - s_j)) b_j y_j of every row, as `log_sums` takes j.

    The weight of a vector is rounded to bfloat16; for vectors in halves it is the sum of two.

    Args:
        rows: see `log_sums`.
        columns: see `log_sums`.
        offset: see `log_sums`.
        kind: see `log_sums`.
    """
    width = rows[0].x.shape[1]
    if width // kind.halves > 128:
        return _weighted_sums_in_chunks(rows, columns, offset, kind)
    blocks = _Blocks(64, 128, width, 3, 2) if kind.halves == 1 else _Blocks(64, 64, width, 2, 2)
    launch = _Launch(rows[0], columns[0], offset, kind, blocks, rows[1], columns[1])
    return launch.weighted_sums()[: len(rows[0].x)]


def _weighted_sums_in_chunks(rows, columns, offset, kind):
    count, width = rows[0].x.shape
    d = width // kind.halves
    tile, stages = (128, 3) if kind.halves == 1 else (64, 4)
    blocks = _Blocks(64, tile, 64, stages, 2 if width <= 512 else 1)
    written = 2 * kind.halves * len(columns[0].x)
    chunk = max(_WEIGHTS_BYTES // written // blocks.all_rows, 1) * blocks.all_rows
    chunk = min(chunk, _round_up(count, blocks.all_rows))
    values = columns[0].x

    def one(chunk):
        start, (side, known) = chunk
        launch = _Launch(side, columns[0], start, kind, blocks, known, columns[1])
        weights = [w[:, : len(values)] for w in launch.weights()]
        products = [(weights[0], values[:, :d])]
        if kind.halves == 2:
            products += [(weights[0], values[:, d:]), (weights[1], values[:, :d])]
        return sum(jnp.dot(w, x, preferred_element_type=jnp.float32) for w, x in products)

    chunks = jax.tree.map(
        lambda x: x.reshape(-1, chunk, *x.shape[1:]), _pad_rows(rows, _round_up(count, chunk))
    )
    starts = chunk * jnp.arange(len(chunks[0].x), dtype=jnp.int32)
    starts += 0 if offset is None else offset
    return lax.map(one, (starts, chunks)).reshape(-1, d)[:count]


def _blocks_of_sums(width: int, kind: Kind) -> _Blocks:
    if width <= 128:
        return _Blocks(64 if kind.any_range else 128, 128, width, 4, 2)
    return _Blocks(64, 128, 64, 5, 2 if width <= 512 else 1)


def _even_splits(tiles: int, most: int) -> int:
    """Among how many blocks of threads the tiles of columns are split.

    Where a few blocks fewer leave each as many tiles, those few stand idle. Otherwise all columns
    would be copied, with padding, for every chunk of rows.
    """
    most = min(tiles, most)
    even = (n for n in range(most, most - most // 16 - 1, -1) if tiles % n == 0)
    return next(even, most)


class _Launch:
    """One kernel: its padded operands, its memory, the stream of tiles, the loops over them."""

    def __init__(self, rows, columns, offset, kind, blocks, of_rows=None, of_columns=None):
        self.kind, self.blocks = kind, blocks
        self.width = rows.x.shape[1]
        self.d = self.width // kind.halves
        self.parts = self.width // blocks.depth
        self.count = len(columns.x)
        self.offset = [] if offset is None else [jnp.reshape(offset, 1)]

        self.blocks_of_rows = -(-len(rows.x) // blocks.all_rows)
        tiles = -(-self.count // blocks.columns)
        splits = _even_splits(tiles, max(_MULTIPROCESSORS // self.blocks_of_rows, 1))
        self.steps = -(-tiles // splits)
        self.splits = -(-tiles // self.steps)
        self.stages = min(blocks.stages, self.steps * self.parts)

        self.rows = _pad_rows(rows, self.blocks_of_rows * blocks.all_rows)
        self.columns = _pad_rows(columns, self.splits * self.steps * blocks.columns)
        # The scalars that belong to rows, and those that belong to columns; see `weights_of`.
        self.row_numbers, self.column_numbers = [self.rows.scale], [self.columns.scale]
        if of_rows is None:
            return
        row_sum, row_cotangent = _pad_rows(of_rows, len(self.rows.x))
        column_sum, column_cotangent = _pad_rows(of_columns, len(self.columns.x))
        if kind.any_range:
            self.row_numbers += [row_sum, row_cotangent]
            self.column_numbers += [column_sum, column_cotangent]
        else:
            self.row_numbers += [row_cotangent * jnp.exp2(-row_sum)]
            self.column_numbers += [column_cotangent * jnp.exp2(-column_sum) * self.columns.scale]

    # The three kernels. ---------------------------------------------------------------------------

    def log_sums(self):
        sums_of_tiles = jax.ShapeDtypeStruct((self.splits, len(self.rows.x)), jnp.float32)
        tile, size = self.tile, (self.blocks.rows,)

        def compute(s, refs, warpgroup):
            numbers = self.load_rows(s, refs, warpgroup)
            here = self.position(refs, warpgroup)

            def add(step, carry, *, masks):
                def product(accumulator):
                    slot = self.multiply(s, warpgroup, step, accumulator)
                    return accumulator[...], slot

                logits, slot = pl.run_scoped(product, plgpu.ACC(tile, jnp.float32))
                (scale,) = self.load_columns(s, slot)
                plgpu.barrier_arrive(s["empty"].at[slot])
                logits = logits * _along_columns(scale, tile) * _along_rows(numbers[0], tile)
                if not self.kind.any_range:
                    exponentials = jnp.exp2(logits)
                    exponentials = self.mask(masks, exponentials, here, step, 0.0)
                    (total,) = carry
                    carry = (total + exponentials.sum(axis=1),)
                else:
                    logits = self.mask(masks, logits, here, step, _LOWEST)
                    total, top = carry
                    new_top = jnp.maximum(top, logits.max(axis=1))
                    exponentials = jnp.exp2(logits - _along_rows(new_top, tile))
                    carry = (total * jnp.exp2(top - new_top) + exponentials.sum(axis=1), new_top)
                return carry

            start = (_filled(size, 0.0),)
            if self.kind.any_range:
                start += (_filled(size, _LOWEST),)
            results = self.loop(here, add, start, padding_matters=True)
            for result, room, ref in zip(results, s["out"], refs["out"], strict=True):
                self.write(result, room.at[warpgroup], ref.at[self.split, self.own_rows(warpgroup)])

        results = 2 if self.kind.any_range else 1
        room = [plgpu.SMEM((self.blocks.warpgroups, *size), jnp.float32) for _ in range(results)]
        total, *top = self.run(compute, [sums_of_tiles] * results, room)
        if not top:
            return jnp.log2(total.sum(0))
        (top,) = top
        highest = top.max(0)
        return highest + jnp.log2((total * jnp.exp2(top - highest)).sum(0))

    def weighted_sums(self):
        out = jax.ShapeDtypeStruct((self.splits, len(self.rows.x), self.d), jnp.float32)

        def compute(s, refs, warpgroup):
            numbers = self.load_rows(s, refs, warpgroup)
            here = self.position(refs, warpgroup)

            def add(step, _, *, masks, total):
                def product(accumulator):
                    slot = self.multiply(s, warpgroup, step, accumulator)
                    return accumulator[...], slot

                logits, slot = pl.run_scoped(product, plgpu.ACC(self.tile, jnp.float32))
                weights = self.weights_of(logits, numbers, self.load_columns(s, slot))
                weights = self.mask(masks, weights, here, step, 0.0)
                values = [
                    s["ring"].at[slot, :, pl.ds(i * self.d, self.d)]
                    for i in range(self.kind.halves)
                ]
                high, *low = self.rounded(weights)
                for value in values:
                    plgpu.wgmma(total, high, value)
                for left in low:
                    plgpu.wgmma(total, left, values[0])
                plgpu.wgmma_wait(0)
                plgpu.barrier_arrive(s["empty"].at[slot])

            def add_up(total):
                self.loop(here, functools.partial(add, total=total), None, padding_matters=False)
                return total[...]

            total = pl.run_scoped(add_up, plgpu.ACC((self.blocks.rows, self.d), jnp.float32))
            (room,), (ref,) = s["out"], refs["out"]
            self.write(total, room.at[warpgroup], ref.at[self.split, self.own_rows(warpgroup)])

        shape = (self.blocks.warpgroups, self.blocks.rows, self.d)
        return self.run(compute, [out], [_swizzled(shape, jnp.float32)])[0].sum(0)

    def weights(self):
        """The weights, [rows, columns], rounded; in halves, what was rounded off besides."""
        out = jax.ShapeDtypeStruct((len(self.rows.x), len(self.columns.x)), jnp.bfloat16)

        def compute(s, refs, warpgroup):
            numbers = self.load_rows(s, refs, warpgroup)
            here = self.position(refs, warpgroup)

            def write(step, _, *, masks):
                def product(accumulator):
                    slot = self.multiply(s, warpgroup, step, accumulator)
                    return accumulator[...], slot

                logits, slot = pl.run_scoped(product, plgpu.ACC(self.tile, jnp.float32))
                columns = self.load_columns(s, slot)
                plgpu.barrier_arrive(s["empty"].at[slot])
                weights = self.weights_of(logits, numbers, columns)
                weights = self.mask(masks, weights, here, step, 0.0)
                plgpu.wait_smem_to_gmem(0, wait_read_only=True)
                for x, room in zip(self.rounded(weights), s["out"], strict=True):
                    room.at[warpgroup][...] = x
                plgpu.commit_smem()
                at = pl.ds(self.first_column + step * self.blocks.columns, self.blocks.columns)
                for room, ref in zip(s["out"], refs["out"], strict=True):
                    to = ref.at[self.own_rows(warpgroup), at]
                    plgpu.copy_smem_to_gmem(room.at[warpgroup], to)

            self.loop(here, write, None, padding_matters=False)
            plgpu.wait_smem_to_gmem(0)

        shape = (self.blocks.warpgroups, *self.tile)
        room = [_swizzled(shape, jnp.bfloat16) for _ in range(self.kind.halves)]
        return self.run(compute, [out] * self.kind.halves, room)

    # Code that the kernels share. -----------------------------------------------------------------

    @property
    def tile(self):
        return self.blocks.rows, self.blocks.columns

    @property
    def split(self):
        return lax.axis_index("split")

    @property
    def first_column(self):
        return self.split * (self.steps * self.blocks.columns)

    def first_row(self, warpgroup):
        return lax.axis_index("rows") * self.blocks.all_rows + warpgroup * self.blocks.rows

    def own_rows(self, warpgroup):
        return pl.ds(self.first_row(warpgroup), self.blocks.rows)

    def position(self, refs, warpgroup):
        """The column that a warpgroup's first row corresponds to."""
        first = self.first_row(warpgroup)
        for offset in refs["offset"]:
            first += offset[0]
        return first

    def run(self, compute: Callable[..., None], out, room):
        """Launches a kernel: `compute(memory, refs, warpgroup)` is a computing warpgroup's part."""
        blocks = self.blocks
        row_count, column_count = len(self.row_numbers), len(self.column_numbers)

        def kernel(*refs, **s):
            rows, columns, *rest = refs
            offset, rest = rest[: len(self.offset)], rest[len(self.offset) :]
            row_refs, rest = rest[:row_count], rest[row_count:]
            column_refs, out_refs = rest[:column_count], rest[column_count:]
            named = {"offset": offset, "rows": rows, "row_numbers": row_refs, "out": out_refs}
            warpgroup = lax.axis_index("warpgroup")

            @pl.when(warpgroup < blocks.warpgroups)
            def _():
                plgpu.set_max_registers(_REGISTERS, action="increase")
                compute(s, named, warpgroup)

            @pl.when(warpgroup == blocks.warpgroups)
            def _():
                plgpu.set_max_registers(_REGISTERS_TO_COPY, action="decrease")
                self.stream(s, columns, column_refs)

        scratch = {
            "rows": _swizzled((blocks.warpgroups, blocks.rows, self.width), jnp.bfloat16),
            "ring": _swizzled((self.stages, blocks.columns, blocks.depth), jnp.bfloat16),
            "row_numbers": [
                plgpu.SMEM((blocks.warpgroups, blocks.rows), jnp.float32) for _ in range(row_count)
            ],
            "column_numbers": [
                plgpu.SMEM((self.stages, blocks.columns), jnp.float32) for _ in range(column_count)
            ],
            "out": room,
            "rows_full": plgpu.Barrier(num_arrivals=1 + row_count, num_barriers=blocks.warpgroups),
            "full": plgpu.Barrier(num_barriers=self.stages),
            "numbers_full": plgpu.Barrier(num_arrivals=column_count, num_barriers=self.stages),
            "empty": plgpu.Barrier(num_arrivals=blocks.warpgroups, num_barriers=self.stages),
        }

        def entry(*refs):
            pl.run_scoped(functools.partial(kernel, *refs), **scratch, collective_axes="warpgroup")

        return plgpu.kernel(
            entry,
            out_type=out,
            grid=(self.blocks_of_rows, self.splits),
            grid_names=("rows", "split"),
            num_threads=blocks.warpgroups + 1,
            thread_name="warpgroup",
            compiler_params=plgpu.CompilerParams(
                approx_math=True, lowering_semantics=plgpu.LoweringSemantics.Lane
            ),
        )(self.rows.x, self.columns.x, *self.offset, *self.row_numbers, *self.column_numbers)

    def stream(self, s, columns, numbers):
        """Copies all parts of all tiles, in order, each into the next empty stage."""
        size, total = self.blocks.columns, self.steps * self.parts

        def fetch(i, slot):
            step, part = lax.div(i, _int(self.parts)), lax.rem(i, _int(self.parts))
            here = pl.ds(self.first_column + step * size, size)
            there = pl.ds(part * self.blocks.depth, self.blocks.depth)
            plgpu.copy_gmem_to_smem(columns.at[here, there], s["ring"].at[slot], s["full"].at[slot])
            # Copied with every part, because they are small.
            for ref, room in zip(numbers, s["column_numbers"], strict=True):
                plgpu.copy_gmem_to_smem(ref.at[here], room.at[slot], s["numbers_full"].at[slot])

        for i in range(self.stages):
            fetch(_int(i), i)

        @pl.loop(_int(0), _int(total - self.stages))
        def _(i):
            slot = lax.rem(i, _int(self.stages))
            plgpu.barrier_wait(s["empty"].at[slot])
            fetch(i + self.stages, slot)

        # Every phase of a barrier must be waited for.
        for i in range(total - self.stages, total):
            plgpu.barrier_wait(s["empty"].at[i % self.stages])

    def load_rows(self, s, refs, warpgroup):
        """Copies a warpgroup's rows to shared memory; returns their numbers in registers."""
        barrier, here = s["rows_full"].at[warpgroup], self.own_rows(warpgroup)
        plgpu.copy_gmem_to_smem(refs["rows"].at[here], s["rows"].at[warpgroup], barrier)
        for ref, room in zip(refs["row_numbers"], s["row_numbers"], strict=True):
            plgpu.copy_gmem_to_smem(ref.at[here], room.at[warpgroup], barrier)
        plgpu.barrier_wait(barrier)
        return [_load(room.at[warpgroup], _PRODUCT.reduce(1)) for room in s["row_numbers"]]

    def load_columns(self, s, slot):
        """The numbers of a tile's columns, in registers."""
        plgpu.barrier_wait(s["numbers_full"].at[slot])
        return [_load(room.at[slot], _PRODUCT.reduce(0)) for room in s["column_numbers"]]

    def multiply(self, s, warpgroup, step, accumulator):
        """Adds rows by columns of a tile; frees all its stages but the last, which it returns."""
        rows, before = s["rows"].at[warpgroup], None
        for part in range(self.parts):
            slot = lax.rem(step * self.parts + part, _int(self.stages))
            plgpu.barrier_wait(s["full"].at[slot])
            products = self.products_of_part(part)
            for left, right, size in products:
                x = rows.at[:, pl.ds(left, size)]
                y = s["ring"].at[slot, :, pl.ds(right, size)]
                plgpu.wgmma(accumulator, x, y.transpose((1, 0)))
            if part:
                plgpu.wgmma_wait(len(products))  # these products may still run
                plgpu.barrier_wait(s["numbers_full"].at[before])
                plgpu.barrier_arrive(s["empty"].at[before])
            before = slot
        return before

    def products_of_part(self, part):
        """(where in the rows, where in a stage, how wide) of what a part is multiplied with."""
        d, depth = self.d, self.blocks.depth
        if self.kind.halves == 1:
            return [(part * depth, 0, depth)]
        if self.parts == 1:
            return [(0, 0, d), (d, 0, d), (0, d, d)]
        here = part * depth
        return [(here, 0, depth), (d + here, 0, depth)] if here < d else [(here - d, 0, depth)]

    def weights_of(self, logits, rows, columns):
        """The weights of a tile's column vectors in the sums of its rows."""
        tile = self.tile
        if self.kind.any_range:
            scale, row_sum, row_cotangent = (_along_rows(x, tile) for x in rows)
            column_scale, column_sum, column_cotangent = (_along_columns(x, tile) for x in columns)
            logits = logits * column_scale * scale
            by_row = row_cotangent * jnp.exp2(logits - row_sum)
            by_column = column_cotangent * jnp.exp2(logits - column_sum)
            return (by_row + by_column) * column_scale
        scale, row_weight = (_along_rows(x, tile) for x in rows)
        column_scale, column_weight = (_along_columns(x, tile) for x in columns)
        exponentials = jnp.exp2(logits * column_scale * scale)
        return exponentials * (row_weight * column_scale + column_weight)

    def rounded(self, weights):
        high = weights.astype(jnp.bfloat16)
        if self.kind.halves == 1:
            return [high]
        return [high, (weights - high.astype(jnp.float32)).astype(jnp.bfloat16)]

    def mask(self, masks, values, position, step, instead):
        """`values` of a tile, and `instead` in the places that `masks` name."""
        if not masks:
            return values
        # Everything that depends on the tile is added to its rows, so that columns are constants.
        left = self.first_column + step * self.blocks.columns
        ahead = position - left
        row, column = (
            plgpu.broadcasted_iota(jnp.int32, values.shape, axis, layout=_PRODUCT)
            for axis in (0, 1)
        )
        is_real = column < self.count - left
        if self.kind.views == 2:  # the first row and the first column of a tile begin pairs
            row, column = (lax.shift_right_logical(x, 1) for x in (row, column))
            ahead = lax.shift_right_arithmetic(ahead, 1)
        is_kept = row + ahead != column
        if _PADDING in masks:
            is_kept &= is_real
        return jnp.where(is_kept, values, jnp.full_like(values, instead))

    def loop(self, position, body, carry, *, padding_matters):
        """Folds `body(step, carry, masks=...)` over the tiles of a block.

        Args:
            position: of the first row among the columns.
            body: of one tile, with the masks that it needs.
            carry: what goes into the first.
            padding_matters: whether tiles that hold padding of the columns need a mask.
        """
        end = _int(self.steps)
        if self.kind.any_range:
            body = functools.partial(body, masks=(_LEFT_OUT, _PADDING))
            return lax.fori_loop(_int(0), end, body, carry)
        size, first = self.blocks.columns, self.first_column

        def tile_of(column):
            # The division of integers rounds towards zero.
            return jnp.clip(lax.div(column - first + 2**20 * size, _int(size)) - 2**20, 0, end)

        whole = tile_of(_int(self.count)) if padding_matters else end
        start = jnp.minimum(tile_of(position), whole)
        stop = jnp.minimum(tile_of(position + self.blocks.rows - 1 + size), whole)
        loops = [(_int(0), start, ()), (start, stop, (_LEFT_OUT,)), (stop, whole, ())]
        if padding_matters:
            loops.append((whole, end, (_LEFT_OUT, _PADDING)))
        for begin, end, masks in loops:
            carry = lax.fori_loop(begin, end, functools.partial(body, masks=masks), carry)
        return carry

    def write(self, result, room, ref):
        room[...] = result
        plgpu.commit_smem()
        plgpu.copy_smem_to_gmem(room, ref)
        plgpu.wait_smem_to_gmem(0)


def _swizzled(shape, dtype):
    """Shared memory as the products of a warpgroup read it."""
    row = 128 // jnp.dtype(dtype).itemsize
    transforms = (plgpu.TilingTransform((8, row)), plgpu.SwizzleTransform(128))
    return plgpu.SMEM(shape, dtype, transforms=transforms)


def _load(ref, layout):
    index = [()] if jax.__version_info__ < (0, 11) else []  # JAX 0.11 no longer takes an index
    return plgpu.load(ref, *index, layout=layout)


def _along_rows(numbers, tile):
    return lax.broadcast_in_dim(numbers, tile, [0])


def _along_columns(numbers, tile):
    return lax.broadcast_in_dim(numbers, tile, [1])


def _filled(shape, value):
    return plgpu.layout_cast(jnp.full(shape, value, jnp.float32), _PRODUCT.reduce(1))


def _int(x):
    return jnp.asarray(x, jnp.int32)


def _round_up(x: int, to: int) -> int:
    return math.ceil(x / to) * to


def _pad_rows(tree, size):
    return jax.tree.map(lambda x: jnp.pad(x, ((0, size - len(x)), *[(0, 0)] * (x.ndim - 1))), tree)
