"""Notices that a run's machines are about to be taken away."""

import contextlib
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator

import jax
from jax.experimental import multihost_utils

# Signals besides SIGTERM and Ctrl-C: Slurm's --signal=USR1@60 and the like, the end of the CPU time
# that a queue allows, and a closed terminal or connection.
_FURTHER = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU, signal.SIGHUP)
NOTICES = (signal.SIGTERM, signal.SIGINT, *_FURTHER)


class Preempted(Exception):
    """A notice came, and the state is saved; the same command resumes from there."""


@contextlib.contextmanager
def notice() -> Iterator[Callable[[int], bool]]:
    """Gives a function that is called after each step and returns whether to save and end.

    A notice is SIGTERM, which Slurm, Kubernetes and Cloud TPU send some time before SIGKILL;
    Ctrl-C, where a second one ends the process at once; or one of `_FURTHER`, unless it is handled
    already or ignored, as with `nohup`. A notice to one process is passed on to all, and all stop
    after the same step. Therefore each process must call the function after every step, with the
    number of the step in this launch, from 1. The context must be entered in the main thread.
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
    """Redirects output to nowhere, because writing to a closed terminal fails."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        if stat.S_ISCHR(os.fstat(output).st_mode):
            os.dup2(nowhere, output)
    os.close(nowhere)


@contextlib.contextmanager
def _ctrl_c(notify: Callable[[], None]) -> Iterator[None]:
    """Calls `notify` at the first SIGINT; the second one has its usual effect, or kills."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # ignored, as in `nohup train &`, or the caller's
        yield
        return
    # In a notebook an exception ends only the cell; a signal would end the kernel with its data.
    interactive = hasattr(sys, "ps1")

    def heed(number, frame):
        signal.signal(signal.SIGINT, before if interactive else signal.SIG_DFL)
        notify()
        # Not `print`, because the signal may interrupt another print.
        os.write(2, b"\nCtrl-C: saving after the step under way; again to end without saving\n")

    signal.signal(signal.SIGINT, heed)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
