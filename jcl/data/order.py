"""The examples of step t: a pure function of (step, n, batch_size, seed), and of groups if any.

Nothing here depends on devices, processes or workers, and nothing has state. So resuming a run
needs only its step. The permutation is written out below instead of taken from a library, so that
no upgrade can change the order of a run; a test compares it with stored values.
"""

import functools
import hashlib
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, UInt64

from jcl.data.dataset_shape import DatasetShape
from jcl.errors import UserError

_ROUNDS = 8
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Number of full batches in one pass over n examples; the remainder is dropped.

    Raises:
        UserError: if the batch is larger than the dataset, or not positive.
    """
    if batch_size < 1:
        raise UserError(f"batch_size={batch_size} is given, but it must be at least 1")
    if n < batch_size:
        raise UserError(
            f"batch_size={batch_size} is larger than the dataset's {n} examples, "
            "but a batch holds no example twice"
        )
    return n // batch_size


def batch_indices(step: int, *, n: int, batch_size: int, seed: int) -> Int64[np.ndarray, " b"]:
    """Dataset positions of the examples in the global batch of one step.

    Step t is in epoch e = t // (n // batch_size) and takes its slice of permutation(seed, e),
    so no batch straddles epochs or holds an example twice.

    Args:
        step: from 0.
        n: number of examples in the dataset.
        batch_size: global batch size, at most n.
        seed: any integer.

    Returns:
        int64 [batch_size], distinct values in [0, n).
    """
    epoch, step_in_epoch = divmod(step, steps_per_epoch(n, batch_size))
    positions = np.arange(batch_size, dtype=np.int64) + step_in_epoch * batch_size
    return permute(positions, n=n, seed=seed, epoch=epoch)


class Order(NamedTuple):
    """The order of examples of a run.

    Attributes:
        steps_per_epoch: batches in one pass over the data.
        batch_indices: step from 0 -> int64 [batch_size], dataset positions; it can be pickled, for
            processes that read ahead.
    """

    steps_per_epoch: int
    batch_indices: Callable[[int], Int64[np.ndarray, " b"]]


def shuffled(data: DatasetShape, *, batch_size: int, seed: int) -> Order:
    """A new permutation of all examples in every epoch: `batch_indices`.

    Raises:
        UserError: as `steps_per_epoch`.
    """
    indices = functools.partial(batch_indices, n=data.examples, batch_size=batch_size, seed=seed)
    return Order(steps_per_epoch(data.examples, batch_size), indices)


def grouped(data: DatasetShape, *, batch_size: int, seed: int) -> Order:
    """Batches of one group each, for methods whose negatives come from within a group.

    Every epoch permutes the examples inside each group, divides each group into full batches, drops
    the remainder, and permutes the batches of all groups. With one group it is `shuffled`.

    Args:
        data: its examples have an integer `group`.
        batch_size: global batch size.
        seed: any integer.

    Raises:
        UserError: examples have no group, or no group fills a batch.
    """
    if data.read_groups is None:
        raise UserError("batches of one group each need an integer `group` for every example")
    groups = np.asarray(data.read_groups())
    members = np.argsort(groups, kind="stable")
    sizes = np.unique(groups, return_counts=True)[1]
    if len(sizes) == 1:
        return shuffled(data, batch_size=batch_size, seed=seed)
    batches = sizes // batch_size
    if not batches.any():
        raise UserError(
            f"batch_size={batch_size} is larger than the largest of {len(sizes)} groups, which has "
            f"{sizes.max()} examples, but a batch is of one group and holds no example twice"
        )
    indices = functools.partial(
        grouped_batch_indices, members=members, sizes=sizes, batch_size=batch_size, seed=seed
    )
    return Order(int(batches.sum()), indices)


def grouped_batch_indices(
    step: int,
    *,
    members: Int64[np.ndarray, " n"],
    sizes: Int64[np.ndarray, " g"],
    batch_size: int,
    seed: int,
) -> Int64[np.ndarray, " b"]:
    """Dataset positions of the examples in the global batch of one step, all of one group.

    Args:
        step: from 0.
        members: dataset positions, group after group.
        sizes: of the groups; at least one fills a batch.
        batch_size: global batch size.
        seed: any integer.

    Returns:
        int64 [batch_size], distinct values.
    """
    batches = sizes // batch_size
    epoch, step_in_epoch = divmod(step, int(batches.sum()))
    place = np.array([step_in_epoch], np.int64)
    batch = int(permute(place, n=int(batches.sum()), seed=seed, epoch=epoch)[0])
    group = int(np.searchsorted(np.cumsum(batches), batch, side="right"))
    first = (batch - int(batches[:group].sum())) * batch_size
    positions = np.arange(first, first + batch_size, dtype=np.int64)
    # A seed is below 2^31, so every group has a permutation of its own.
    inside = permute(positions, n=int(sizes[group]), seed=seed + ((group + 1) << 32), epoch=epoch)
    return members[int(sizes[:group].sum()) + inside]


def permute(
    positions: Int64[np.ndarray, " b"], *, n: int, seed: int, epoch: int
) -> Int64[np.ndarray, " b"]:
    """Values of permutation(seed, epoch) of range(n) at `positions`, in O(b) time and memory.

    A Feistel network on a grid of rows x columns, the smallest nearly square one with at least n
    cells. Adding a hash of one coordinate to the other is a bijection of the grid, and so are eight
    such rounds. Fewer than `columns` cells lie past n; positions that land there are mapped again
    until they land inside (Black and Rogaway 2002, "Ciphers with arbitrary finite domains").

    Args:
        positions: int64 [b], each in [0, n).
        n: length of the permutation, at least 1.
        seed: any integer; taken modulo 2**64.
        epoch: from 0.

    Returns:
        int64 [b], each in [0, n).
    """
    columns = math.isqrt(n - 1) + 1
    rows = -(-n // columns)
    keys = _round_keys(seed, epoch)
    values = _grid_rounds(positions.astype(np.uint64), rows, columns, keys)
    while (outside := values >= np.uint64(n)).any():
        values[outside] = _grid_rounds(values[outside], rows, columns, keys)
    return values.astype(np.int64)


def batch_hash(indices: Int64[np.ndarray, " b"]) -> str:
    """First 16 hex digits of the SHA-256 of the indices as little-endian int64."""
    return hashlib.sha256(indices.astype("<i8").tobytes()).hexdigest()[:16]


def _grid_rounds(
    values: UInt64[np.ndarray, " b"], rows: int, columns: int, keys: UInt64[np.ndarray, " r"]
) -> UInt64[np.ndarray, " b"]:
    """One pass of the Feistel network: a bijection of [0, rows * columns)."""
    row, column = np.divmod(values, np.uint64(columns))
    for i in range(0, len(keys), 2):
        row = (row + _mix(column ^ keys[i]) % np.uint64(rows)) % np.uint64(rows)
        column = (column + _mix(row ^ keys[i + 1]) % np.uint64(columns)) % np.uint64(columns)
    return row * np.uint64(columns) + column


def _round_keys(seed: int, epoch: int) -> UInt64[np.ndarray, " r"]:
    """Eight keys from (seed, epoch), hashed one after the other.

    With a sum such as seed + epoch, epoch 1 of seed 0 would equal epoch 0 of seed 1.
    """
    start = _mix(np.array([seed % 2**64], np.uint64)) + np.uint64(epoch)
    counter = np.arange(1, _ROUNDS + 1, dtype=np.uint64) * _GOLDEN
    return _mix(_mix(start) + counter)


def _mix(x: UInt64[np.ndarray, " b"]) -> UInt64[np.ndarray, " b"]:
    """The output function of SplitMix64 (Steele, Lea and Flood 2014), on arrays: wraps silently."""
    x = x + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
