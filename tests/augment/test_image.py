"""Bytes to floats."""

import jax.numpy as jnp
import numpy as np

from jcl.augment.image import to_float


def test_to_float_divides_by_255():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    np.testing.assert_allclose(
        np.ravel(to_float(jnp.asarray(images))), np.arange(256) / 255, rtol=1e-7
    )
