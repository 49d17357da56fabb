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
