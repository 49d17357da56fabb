"""Mirroring and turning: the right outcomes, equally often."""

import jax
import numpy as np
import pytest

from jcl.augment.flip import random_flip, random_quarter_turn
from tests.augment.quick_jit import quick_jit

KEYS = jax.random.split(jax.random.key(0), 200)


@pytest.mark.parametrize(
    ("function", "outcomes"),
    [
        (random_flip, lambda x: [x, x[:, ::-1]]),
        (random_quarter_turn, lambda x: [np.rot90(x, k) for k in range(4)]),
    ],
)
def test_choices_are_the_right_ones_equally_often(function, outcomes, picture):
    results = np.asarray(quick_jit(jax.vmap(function, (0, None)))(KEYS, picture))
    expected = np.stack(outcomes(np.asarray(picture)))
    distances = np.abs(results[:, None] - expected[None]).max((2, 3, 4))
    assert distances.min(1).max() == 0
    share = np.bincount(distances.argmin(1), minlength=len(expected)) / len(KEYS)
    np.testing.assert_allclose(share, 1 / len(expected), atol=0.1)  # three standard deviations
