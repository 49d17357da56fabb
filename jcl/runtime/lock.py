"""One run at a time in a workdir, by a lock that the kernel releases when its process ends."""

import contextlib
import fcntl
import os
import re
import socket
from collections.abc import Iterator

from absl import logging

from jcl.errors import UserError
from jcl.runtime.folder import Folder, is_remote

FILE = "lock"
# What the holder writes into the file.
_SAID = re.compile(r"process (?P<process>\d+) on (?P<host>\S+)")


@contextlib.contextmanager
def only_run_in(workdir: Folder) -> Iterator[None]:
    """Holds `<workdir>/lock` for as long as the block lasts.

    The lock has no timeout: a killed process holds no lock, so another one can start at once. On
    NFS the lock works between machines. On a file system without locks, a warning is logged.

    Args:
        workdir: an existing folder.

    Raises:
        UserError: another process holds the lock; the message names the process.
    """
    path = workdir / FILE
    if is_remote(workdir):
        logging.warning("%s cannot be locked: nothing stops a second run in this workdir", path)
        yield
        return
    try:
        file = open(path, "ab", buffering=0)  # noqa: SIM115  open for as long as the block
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"another run is at work in {workdir} ({_holder(path)}): let it end, or choose "
                "another workdir"
            ) from error
        except OSError as error:
            logging.warning(
                "%s cannot be locked (%s): nothing stops a second run in this workdir",
                *(path, error.strerror),
            )
        # A forked child would share the lock, and keep it after this process is killed.
        os.register_at_fork(after_in_child=lambda: _close(file))
        with contextlib.suppress(OSError):  # such as a full disk; the lock is held nevertheless
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield


def _holder(path: Folder) -> str:
    try:
        return path.read_text().strip() or "it has not said which process it is"
    except OSError:
        return f"{path}, which names the process, cannot be read"


def _close(file) -> None:
    if not file.closed:
        os.close(file.fileno())


def holder_is_gone(workdir: Folder) -> bool:
    """Whether the last holder of the lock was a process of this machine that has ended.

    The lock itself is not tried, because a run that starts at that moment would be refused.
    """
    try:
        found = _SAID.fullmatch((workdir / FILE).read_text().strip())
    except OSError:
        return False
    if found is None or found["host"] != socket.gethostname():
        return False
    try:
        os.kill(int(found["process"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # the process of another user, so it exists
        return False
    return False
