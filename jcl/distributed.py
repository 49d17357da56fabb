"""The processes of one run: how they find each other, which one writes, how they agree."""

import jax
import numpy as np
from jax.experimental import multihost_utils
from orbax.checkpoint import multihost

from jcl.errors import UserError

_LONGEST_WAIT_SECONDS = 3600


def start(coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Joins the other processes, before the first use of a device.

    Without arguments JAX looks for them itself: in Slurm, Cloud TPU, GKE and Open MPI environments,
    and in JAX's own environment variables. Where it finds nothing this process is alone.

    Args:
        coordinator: HOST:PORT of process 0, the same on all.
        processes: how many there are.
        process: which one this is, from 0.

    Raises:
        UserError: some but not all of the arguments, impossible ones, or the others did not come.
    """
    given = (coordinator, processes, process)
    if None in given and given != (None, None, None):
        raise UserError(
            f"coordinator={coordinator}, processes={processes} and process={process} are given, "
            "but the processes of a run find each other by all three or, in an environment that "
            "JAX knows, by none"
        )
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
    """What messages call this process; "" where it is alone."""
    count = jax.process_count() if jax.distributed.is_initialized() else 1
    return f"process {jax.process_index()} of {count}: " if count > 1 else ""


def barrier(reason: str) -> None:
    """Waits until all processes are here.

    Through the coordinator and not through the devices, whose first collective on CPUs gives up
    where processes come more than 30 s apart, as when one compiles and another has a cache.

    Args:
        reason: a sentence that no other barrier of this launch has.
    """
    if jax.process_count() > 1:
        sync = multihost.get_barrier_sync_fn()
        sync(key=reason, timeout_ms=1000 * _LONGEST_WAIT_SECONDS)


def everywhere(here: bool) -> bool:
    """Whether it is true in all processes; each must ask."""
    if jax.process_count() == 1:
        return here
    return bool(np.all(multihost_utils.process_allgather(np.asarray(here))))
