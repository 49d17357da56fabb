"""Batches of several views an example for losses that take `[B, V, d]`, float64."""

import numpy as np

BATCH, VIEWS, DIMENSIONS = 32, 3, 3


def many_view_cases():
    """Random rows of any norm with zeros among them, and views that nearly agree."""
    random = np.random.default_rng(8)
    apart = random.normal(size=(BATCH, VIEWS, DIMENSIONS))
    near = random.normal(size=(BATCH, 1, DIMENSIONS)) + 1e-3 * apart
    with_zeros = apart * random.uniform(0.1, 10, (BATCH, VIEWS, 1))
    with_zeros[3, 1] = with_zeros[5] = 0
    # As float32 has them, in which they are given too.
    return [np.float64(np.float32(x)) for x in (with_zeros, near)]
