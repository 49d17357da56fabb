"""The processes of one run: how they find each other, which one writes, how they agree."""

import contextlib
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from typing import NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils
from orbax.checkpoint import multihost

from jcl.errors import UserError
from jcl.runtime.folder import Folder

# Variables with the number of tasks of Slurm and Open MPI.
_PROCESS_COUNTS = ("SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE")
_LONGEST_DOWNLOAD_SECONDS = 24 * 3600
_TOKEN = ".launch"
_SECONDS_TO_APPEAR = 10
_SECONDS_TO_LEAVE = 10


def start(coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Joins the other processes, before the first use of a device.

    Without arguments JAX looks for other processes itself: in Slurm, Cloud TPU, GKE and Open MPI
    environments, and in JAX's own environment variables. If it finds none, this process is alone.

    Args:
        coordinator: HOST:PORT of process 0, the same in all processes.
        processes: number of processes.
        process: number of this process, from 0.

    Raises:
        UserError: only some of the arguments, impossible ones, or other processes did not connect.
    """
    given = (coordinator, processes, process)
    if None in given and given != (None, None, None):
        raise UserError(
            f"coordinator={coordinator}, processes={processes} and process={process} are given, "
            "but the processes of a run find each other by all three or, in an environment that "
            "JAX knows, by none"
        )
    if coordinator is None and any(os.environ.get(key) == "1" for key in _PROCESS_COUNTS):
        return  # with one task, there are no others, and `initialize` would hide all but one GPU
    try:
        if coordinator is None:
            jax.distributed.initialize()
        else:
            jax.distributed.initialize(
                coordinator, processes, process, cluster_detection_method="deactivate"
            )
    except ValueError as error:
        if "coordinator_address should be defined" in str(error):
            return
        raise UserError(f"the processes of this run cannot be found: {error}") from error
    except jax.errors.JaxRuntimeError as error:
        raise UserError(
            f"the processes of this run did not find each other: {str(error).splitlines()[0]}"
        ) from error


def is_first() -> bool:
    """Whether this is the process that writes to the workdir and to the console."""
    return jax.process_index() == 0


def name() -> str:
    """The name of this process in messages; "" if it is alone."""
    count = jax.process_count() if jax.distributed.is_initialized() else 1
    return f"process {jax.process_index()} of {count}: " if count > 1 else ""


def leave(status: int) -> NoReturn:
    """Ends this process at once; a normal exit would wait for other processes that hang.

    Args:
        status: of the exit.
    """
    for worker in multiprocessing.active_children():
        worker.kill()
    sys.stdout.flush()
    if name() and is_first():
        # The coordinator runs in this process. If it ended now, the others would be aborted before
        # they can exit with their own status.
        time.sleep(_SECONDS_TO_LEAVE)
    os._exit(status)


def barrier(reason: str, *, longest_wait_seconds: int = 3600) -> None:
    """Waits until all processes have reached this barrier.

    It uses the coordinator instead of the devices. The first collective on CPUs fails if processes
    are more than 30 s apart, for example when one compiles and another has a cache.

    Args:
        reason: a sentence that is unique among the barriers of this launch.
        longest_wait_seconds: time after which the barrier fails.
    """
    if jax.process_count() > 1:
        sync = multihost.get_barrier_sync_fn()
        sync(key=reason, timeout_ms=1000 * longest_wait_seconds)


@contextlib.contextmanager
def first_then_others(reason: str) -> Iterator[None]:
    """The first process runs the block first, then all others; they find what it downloaded.

    Args:
        reason: as in `barrier`.
    """
    if not is_first():
        barrier(reason, longest_wait_seconds=_LONGEST_DOWNLOAD_SECONDS)
    yield
    if is_first():
        barrier(reason, longest_wait_seconds=_LONGEST_DOWNLOAD_SECONDS)


def check_same_folder(folder: Folder) -> None:
    """Checks that every process sees in `folder` what the first one writes there.

    Raises:
        UserError: in all processes, if one does not.
    """
    if jax.process_count() == 1:
        return
    token = int(multihost_utils.broadcast_one_to_all(np.int32(time.time_ns() % 2**31)))
    path = folder / _TOKEN
    if is_first():
        path.write_text(str(token))
    barrier("the first process wrote its token")
    seen = _waits_for(path, str(token))
    if not seen:
        print(f"{name()}{path} is not what process 0 wrote", file=sys.stderr, flush=True)
    same = everywhere(seen)
    if is_first():
        path.unlink()
    if not same:
        raise UserError(
            f"the workdir {folder} is not the same folder in all processes; it must lie on a file "
            "system that they share"
        )


def _waits_for(path: Folder, text: str) -> bool:
    # Network file systems show a new file within some seconds.
    for _ in range(_SECONDS_TO_APPEAR):
        try:
            if path.read_text() == text:
                return True
        except OSError:
            pass
        time.sleep(1)
    return False


def same_everywhere(number: int) -> bool:
    """Whether all processes give the same number below 2^31; every process must call this."""
    if jax.process_count() == 1:
        return True
    return len(np.unique(multihost_utils.process_allgather(np.int32(number)))) == 1


def everywhere(here: bool) -> bool:
    """Whether `here` is True in all processes; every process must call this."""
    if jax.process_count() == 1:
        return here
    return bool(np.all(multihost_utils.process_allgather(np.asarray(here))))
