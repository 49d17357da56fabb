"""Gaussian blur against SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats

from jcl.augment.blur import gaussian_blur, random_gaussian_blur
from tests.augment.quick_jit import quick_jit

KEYS = jax.random.split(jax.random.key(0), 400)


@pytest.mark.parametrize(
    ("shape", "radius"), [((40, 28, 3), (2, 1)), ((60, 60, 1), (3, 3)), ((12, 12, 3), (1, 1))]
)
def test_blur_agrees_with_scipy(shape, radius):
    image = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
    blur = quick_jit(gaussian_blur)
    for sigma in (0.1, 0.7, 2.0):
        expected = scipy.ndimage.gaussian_filter(
            image.astype(np.float64), (sigma, sigma, 0), mode="mirror", radius=(*radius, 0)
        )
        np.testing.assert_allclose(blur(jnp.asarray(image), sigma), expected, atol=2e-6)


def test_window_is_23_of_224():
    image = jnp.zeros((224, 224, 1)).at[100, 120].set(1)
    blurred = np.asarray(quick_jit(gaussian_blur)(image, 1e3))[..., 0]
    np.testing.assert_allclose(blurred[89:112, 109:132], 1 / 23**2, rtol=1e-3)
    assert np.count_nonzero(blurred) == 23**2


def test_sigma_is_uniform_and_blur_happens_as_often_as_asked():
    """A dot shows sigma: a neighbour of the brightest pixel is exp(-1 / (2 sigma^2)) of it."""
    dot = jnp.zeros((12, 12, 1)).at[6, 6].set(1)
    blur = jax.vmap(lambda key: random_gaussian_blur(key, dot, sigma=(0.4, 2.0), probability=0.7))
    results = np.asarray(quick_jit(blur)(KEYS))[..., 0]
    blurred = results[:, 6, 6] < 1
    assert blurred.mean() == pytest.approx(0.7, abs=0.07)  # three standard deviations
    assert (results[~blurred] == dot[..., 0]).all()
    sigma = np.sqrt(-0.5 / np.log(results[blurred, 6, 7] / results[blurred, 6, 6]))
    assert scipy.stats.kstest(sigma, scipy.stats.uniform(0.4, 1.6).cdf).pvalue > 1e-3
