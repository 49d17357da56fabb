"""How a run learns that its machines are about to be taken away."""

import contextlib
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator

import jax
from jax.experimental import multihost_utils

# Besides SIGTERM and Ctrl-C: Slurm's --signal=USR1@60 and the like, the end of the CPU time that a
# queue allows, and a terminal or a connection that closes.
_FURTHER = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU, signal.SIGHUP)
NOTICES = (signal.SIGTERM, signal.SIGINT, *_FURTHER)


class Preempted(Exception):
    """A notice came, and the state is saved; the same command goes on from there."""


@contextlib.contextmanager
def notice() -> Iterator[Callable[[int], bool]]:
    """Gives a function that says, after a step, whether to save the state and end.

    A notice is SIGTERM, which Slurm, Kubernetes and Cloud TPU send some time before SIGKILL; a
    Ctrl-C, of which a second one ends the process at once; or one of `_FURTHER` that nobody else
    handles or ignores, as `nohup` does. To one of several processes a notice is told to all, and
    all stop after the same step: each asks after every step, with its number in this launch, from
    1. Entered from the main thread.
    """
    if jax.distributed.is_initialized():
        # Under `jax.distributed`, JAX handles SIGTERM: all processes stop after one agreed step,
        # one past the largest step that any process has reported. Steps start from 1 in every
        # launch.
        def pass_on():
            os.kill(os.getpid(), signal.SIGTERM)

        with _ctrl_c(pass_on), _further(pass_on):
            yield multihost_utils.reached_preemption_sync_point
        return
    came = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.set())
    try:
        with _ctrl_c(came.set), _further(came.set):
            yield lambda _: came.is_set()
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _further(notify: Callable[[], None]) -> Iterator[None]:
    """Calls `notify` at signals that would end the process."""

    def heed(number, frame):
        if number == signal.SIGHUP:
            _leave_terminal()
        notify()

    taken = [number for number in _FURTHER if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, heed)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _leave_terminal() -> None:
    """Has what is still said go nowhere: writing to a terminal that is gone fails."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        if stat.S_ISCHR(os.fstat(output).st_mode):
            os.dup2(nowhere, output)
    os.close(nowhere)


@contextlib.contextmanager
def _ctrl_c(notify: Callable[[], None]) -> Iterator[None]:
    """Calls `notify` at the first SIGINT; the second does what it would have done, or kills."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # ignored, as in `nohup train &`, or the caller's
        yield
        return
    # In a notebook an exception ends the cell, and not the kernel with all that it holds.
    interactive = hasattr(sys, "ps1")

    def heed(number, frame):
        signal.signal(signal.SIGINT, before if interactive else signal.SIG_DFL)
        notify()
        # Not `print`: the signal may have come in the middle of one.
        os.write(2, b"\nCtrl-C: saving after the step under way; again to end without saving\n")

    signal.signal(signal.SIGINT, heed)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
