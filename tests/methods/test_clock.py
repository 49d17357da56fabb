"""A method's clock: its schedules at the first and at the last step."""

import numpy as np
import pytest

from jcl.methods.clock import Clock


def test_epochs_and_the_cosine_by_hand():
    steps = [Clock(step, steps_per_epoch=4, total_steps=10) for step in range(11)]
    assert [clock.epoch for clock in steps] == [0] * 4 + [1] * 4 + [2] * 3
    found = [float(clock.cosine(0.9, 1.0)) for clock in steps]
    expected = 1 - 0.1 * (np.cos(np.pi * np.arange(11) / 10) + 1) / 2
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found[0] == pytest.approx(0.9)
    assert found[10] == pytest.approx(1.0)


def test_what_begins_after_the_run_is_said(caplog):
    clock = Clock(0, steps_per_epoch=4, total_steps=10)
    assert clock.step_after("method.start_epochs", 2.25) == 9
    assert not caplog.messages
    assert clock.step_after("method.start_epochs", 2.5) == 10
    assert "method.start_epochs=2.5 epochs are 10 steps, but the run has 10" in caplog.text
