"""jcl/runtime/preemption.py: what a signal does to a run; binaries are in tests/test_faults.py."""

import os
import pty
import signal
import subprocess
import sys

import pytest

from jcl.runtime.preemption import NOTICES, notice


@pytest.fixture(autouse=True)
def ordinary_handlers():
    """A test runner in the background may ignore SIGINT."""
    ordinary = dict.fromkeys(NOTICES, signal.SIG_DFL)
    ordinary[signal.SIGINT] = signal.default_int_handler
    before = {number: signal.signal(number, handler) for number, handler in ordinary.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NOTICES)
def test_a_signal_is_a_notice_and_handlers_come_back(number):
    before = signal.getsignal(number)
    with notice() as must_stop:
        assert not must_stop(1)
        signal.raise_signal(number)
        assert must_stop(2)
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_kills_or_interrupts_a_notebook(monkeypatch, capfd):
    with notice():
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert "again to end without saving" in capfd.readouterr().err
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with notice() as must_stop:
        signal.raise_signal(signal.SIGINT)
        assert must_stop(1)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_is_ignored_stays_ignored(number):
    signal.signal(number, signal.SIG_IGN)
    with notice() as must_stop:
        signal.raise_signal(number)
        assert not must_stop(1)


def test_a_closed_terminal_is_written_to_no_more():
    """In a process of its own: the terminal of this one stays."""
    ours, theirs = pty.openpty()
    program = (
        "import os, signal\n"
        "from jcl.runtime.preemption import _leave_terminal\n"
        "_leave_terminal()\n"
        "print('still here', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=theirs, check=True, timeout=60)
    assert done.returncode == 0
    os.set_blocking(ours, False)
    with pytest.raises(BlockingIOError):
        os.read(ours, 100)
