"""How a run learns that its machines are about to be taken away."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import jax
from jax.experimental import multihost_utils


class Preempted(Exception):
    """A notice came, and the state is saved; the same command goes on from there."""


@contextlib.contextmanager
def notice() -> Iterator[Callable[[int], bool]]:
    """Gives a function that says, after a step, whether to save the state and end.

    A notice is SIGTERM, which Slurm, Kubernetes and Cloud TPU send some time before SIGKILL. To one
    of several processes it is told to all, and all stop after the same step: each asks after every
    step, with its number in this launch, from 1. Entered from the main thread.
    """
    if jax.distributed.is_initialized():
        # Under `jax.distributed`, JAX handles SIGTERM: all processes stop after one agreed step,
        # one past the largest step that any process has reported. Steps start from 1 in every
        # launch.
        yield multihost_utils.reached_preemption_sync_point
        return
    came = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.set())
    try:
        yield lambda _: came.is_set()
    finally:
        signal.signal(signal.SIGTERM, before)
