"""One run at a time in a workdir, by a lock that the kernel frees with its process."""

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
# What the holder writes into it.
_SAID = re.compile(r"process (?P<process>\d+) on (?P<host>\S+)")


@contextlib.contextmanager
def only_run_in(workdir: Folder) -> Iterator[None]:
    """Holds `<workdir>/lock` for as long as the block lasts.

    No time stands in it: a killed process holds nothing, so what follows starts at once. On NFS the
    lock holds between machines; on a file system without locks a warning says so.

    Args:
        workdir: an existing folder.

    Raises:
        UserError: another process holds it; the message names that process.
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
        # A forked child would share the lock, and keep it where this process is killed.
        os.register_at_fork(after_in_child=lambda: _close(file))
        with contextlib.suppress(OSError):  # such as a full disk: the lock holds all the same
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield


def _holder(path: Folder) -> str:
    try:
        return path.read_text().strip() or "it has not said which process it is"
    except OSError:
        return f"{path} says which process it is, and cannot be read"


def _close(file) -> None:
    if not file.closed:
        os.close(file.fileno())


def holder_is_gone(workdir: Folder) -> bool:
    """Whether the process that held the lock last was of this machine, and is no more.

    The lock itself is not tried: a run that starts at that moment would be refused.
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
    except PermissionError:  # somebody else's, so it is there
        return False
    return False
