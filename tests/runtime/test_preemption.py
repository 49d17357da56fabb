"""jcl/runtime/preemption.py: what a signal does to a run; binaries are in tests/test_faults.py."""

import signal
import sys

import pytest

from jcl.runtime.preemption import notice


@pytest.fixture(autouse=True)
def ordinary_handlers():
    """A test runner in the background may ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
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


def test_an_ignored_ctrl_c_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with notice() as must_stop:
        signal.raise_signal(signal.SIGINT)
        assert not must_stop(1)
