"""jcl/runtime/lock.py: one run in a workdir, whatever becomes of it."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from jcl.errors import UserError
from jcl.runtime.lock import only_run_in

# A process that takes the lock, and forks a child that outlives it.
_HOLDER = """
import os, sys, time
from pathlib import Path
from jcl.runtime.lock import only_run_in
with only_run_in(Path(sys.argv[1])):
    if os.fork() == 0:
        os.close(1)
        time.sleep(60)
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_refused_and_told_who_is_there(tmp_path):
    who = rf"at work in .*process {os.getpid()} on \S+\)"
    with only_run_in(tmp_path), pytest.raises(UserError, match=who), only_run_in(tmp_path):
        pass
    with only_run_in(tmp_path):  # free again
        pass


def test_a_killed_process_holds_nothing_though_its_child_lives(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"process {holder.pid} on"), only_run_in(tmp_path):
            pass
        holder.kill()
        holder.wait()
        os.killpg(holder.pid, 0)  # the child is there
        with only_run_in(tmp_path):
            pass
    finally:
        os.killpg(holder.pid, signal.SIGKILL)


def test_a_file_system_without_locks_is_said_and_one_that_cannot_be_written_refused(
    tmp_path, monkeypatch, caplog
):
    def flock(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with only_run_in(tmp_path):
        assert "cannot be locked (No locks available)" in caplog.text
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="lock cannot be written"), only_run_in(tmp_path / "file"):
        pass
