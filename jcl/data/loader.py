"""Brings the global batch of every step to the devices, ahead of time.

The order of examples is index arithmetic alone (`jcl.data.order`). Grain only fetches. Its dataset
has the elements "part p of this process's share of step t" and is read in sequence. Worker
processes read if images have to be decoded, and a thread always runs ahead of the training loop. So
the examples of a step do not depend on workers, processes or devices, and resuming is a slice.
"""

import dataclasses
import os
import signal
import threading
import time
import weakref
from collections.abc import Iterator

import grain
import jax
import numpy as np
from absl import flags
from jaxtyping import Int64

from jcl.data.order import Order
from jcl.data.source import Source
from jcl.errors import UserError
from jcl.runtime.preemption import NOTICES

# Batches on the devices ahead of the one in use.
_AHEAD = 2
# Largest number of examples that a worker process reads at a time. It is small enough that all
# workers share the first batch, and that elements in flight (about three per worker) fit into
# memory
# and /dev/shm; 256 decoded 224-px JPEG images are 39 MB.
_PART = 256
_MAX_WORKERS = 16


def batches(
    source: Source,
    *,
    order: Order,
    batch_size: int,
    sharding: jax.sharding.NamedSharding,
    start_step: int,
    stop_step: int,
    num_workers: int | None = None,
) -> "Batches":
    """Iterates over the global batches of steps start_step..stop_step - 1.

    A process reads exactly the positions that its own devices hold under `sharding`, which on
    TPU topologies is not a contiguous share.

    Args:
        source: the training split.
        order: of the examples (`jcl.data.order`).
        batch_size: global batch size B, that of the order.
        sharding: shards the leading axis and replicates the others.
        start_step: the first step to yield, from 0.
        stop_step: one past the last.
        num_workers: processes that read ahead. None starts none for a source in memory, and
            otherwise one for each CPU that this process may use, at most 16.

    Returns:
        An iterator over the batches, each with the source's keys as arrays [B, ...] and "index"
        int32 [B], the positions in the dataset. Close it when leaving it early.

    Raises:
        UserError: the batch is not divisible by the number of shards; or later, during iteration,
            the source cannot read its data.
    """
    shards = _local_shards(batch_size, sharding)
    if num_workers is None:
        num_workers = 0 if source.in_memory else min(_cpus(), _MAX_WORKERS)
    local = np.concatenate([np.arange(start, stop) for start, stop in shards])
    parts = -(-len(local) // _PART) if num_workers else 1
    reader = _Parts(source, order, start_step, stop_step, local, parts)

    def place(batch: dict[str, np.ndarray]) -> dict[str, jax.Array]:
        return {key: _place(array, batch_size, sharding, shards) for key, array in batch.items()}

    # Each process reads one element at a time: elements are large, and the processes are parallel.
    one = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
    dataset = grain.MapDataset.source(reader).to_iter_dataset(one)
    if num_workers:
        # Grain reads absl flags. In a test or a notebook they are not parsed, and the defaults
        # hold.
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()
        options = grain.MultiprocessingOptions(num_workers=num_workers, per_worker_buffer_size=2)
        dataset = dataset.mp_prefetch(options, worker_init_fn=_serve_parent_alone)
    dataset = dataset.batch(parts, batch_fn=_join).map(place)
    return Batches(
        grain.experimental.ThreadPrefetchIterDataset(dataset, prefetch_buffer_size=_AHEAD)
    )


def _serve_parent_alone(worker: int, workers: int) -> None:
    # SIGTERM to a whole job, and Ctrl-C in a terminal, reach workers too. They ask the training
    # process to save, for which it still needs its workers.
    for notice in NOTICES:
        signal.signal(notice, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    # Grain ends its workers, unless the training process is killed.
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


class Batches(Iterator[dict[str, jax.Array]]):
    """An iterator that ends its threads and processes when closed, dropped or at exit."""

    def __init__(self, dataset: grain.IterDataset):
        iterator = iter(dataset)
        self._iterator = iterator
        # Runs at most once. At exit it runs before Python and JAX shut down: after that, a thread
        # that still copies to a device would crash the interpreter.
        self._close = weakref.finalize(self, iterator.close)

    def __next__(self) -> dict[str, jax.Array]:
        if not self._close.alive:
            raise StopIteration
        return next(self._iterator)

    def close(self) -> None:
        """Stops reading ahead; a second call does nothing."""
        self._close()


@dataclasses.dataclass(frozen=True)
class _Parts:
    """Random access to part p of this process's share of step t, as element t * parts + p."""

    source: Source
    order: Order
    start_step: int
    stop_step: int
    local: Int64[np.ndarray, " l"]
    parts: int

    def __len__(self) -> int:
        return (self.stop_step - self.start_step) * self.parts

    def __getitem__(self, element: int) -> dict[str, np.ndarray]:
        step, part = divmod(int(element), self.parts)
        indices = self.order.batch_indices(self.start_step + step)
        mine = np.array_split(indices[self.local], self.parts)[part]
        return {**self.source.batch(mine), "index": mine.astype(np.int32)}


def _join(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """One process's share of a batch, joined from its parts, in its own memory.

    With workers this is always a copy. Their arrays are views of shared memory that Grain unmaps,
    and JAX on CPU may still use the memory that it was given.
    """
    if len(parts) == 1 and all(type(array) is np.ndarray for array in parts[0].values()):
        return parts[0]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _cpus() -> int:
    """The number of CPUs that Slurm or a container allows this process, if the system tells."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _local_shards(batch_size: int, sharding: jax.sharding.NamedSharding) -> list[tuple[int, int]]:
    """Sorted (start, stop) of the distinct shards of the batch that this process's devices hold."""
    try:
        held = sharding.addressable_devices_indices_map((batch_size,)).values()
    except ValueError as error:
        raise UserError(
            f"batch_size={batch_size} is given, but it must be divisible by the number of shards "
            f"of the batch over the mesh {dict(sharding.mesh.shape)}"
        ) from error
    return sorted({index[0].indices(batch_size)[:2] for index in held})


def _place(
    local: np.ndarray,
    batch_size: int,
    sharding: jax.sharding.NamedSharding,
    shards: list[tuple[int, int]],
) -> jax.Array:
    """The global array [B, ...] whose local shards are, in order, the rows of `local`."""
    rows, first = {}, 0
    for start, stop in shards:
        rows[start] = slice(first, first + stop - start)
        first += stop - start

    def read(index: tuple[slice, ...]) -> np.ndarray:
        return local[rows[index[0].start or 0]]

    return jax.make_array_from_callback((batch_size, *local.shape[1:]), sharding, read)
