import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.losses.engine.embeddings import interleave_views, unit_rows


@jax.jit
def unit_rows_and_gradient(x, cotangent):
    z, pull_back = jax.vjp(unit_rows, x)
    return z, pull_back(cotangent)[0]


@pytest.mark.parametrize("norm", [1e-37, 1e-30, 1e-3, 1.0, 1e30, 3e38])
def test_norms_neither_overflow_nor_underflow(norm):
    direction = np.array([[0.36, -0.48, 0.8, 0.0]])
    cotangent = np.array([[0.01, 0.02, -0.03, 0.005]], np.float32)
    z, gradient = unit_rows_and_gradient((norm * direction).astype(np.float32), cotangent)
    expected = cotangent - direction * np.sum(direction * cotangent)
    np.testing.assert_allclose(z, direction, atol=2e-7)
    if norm < 1e36:  # else the gradient itself is subnormal
        np.testing.assert_allclose(np.float64(gradient) * norm, expected, atol=1e-8)
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("entry", [0.0, 1e-40])
def test_zero_row_has_zero_embedding_and_zero_gradient(entry):
    x = np.array([[entry, 0, 0], [1, 2, 2]], np.float32)
    z, gradient = unit_rows_and_gradient(x, np.ones((2, 3), np.float32))
    np.testing.assert_array_equal(z[0], 0)
    np.testing.assert_array_equal(gradient[0], 0)
    np.testing.assert_allclose(z[1], [1 / 3, 2 / 3, 2 / 3], rtol=1e-6)
    np.testing.assert_allclose(gradient[1], [4 / 27, -1 / 27, -1 / 27], rtol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_numbers_stay_visible(bad):
    assert np.all(np.isnan(unit_rows(jnp.array([[bad, bad]]))))


def test_dtypes():
    for dtype in (jnp.bfloat16, jnp.float16, jnp.float32):
        x = jnp.ones((2, 4), dtype)
        z, gradient = jax.eval_shape(unit_rows_and_gradient, x, jnp.ones((2, 4), jnp.float32))
        assert (z.dtype, gradient.dtype) == (jnp.float32, dtype)
    with jax.enable_x64(True):
        x = jnp.ones((2, 4), jnp.float64)
        z, gradient = jax.eval_shape(unit_rows_and_gradient, x, x)
        assert (z.dtype, gradient.dtype) == (jnp.float64, jnp.float64)


def test_views_stand_side_by_side():
    z0, z1 = jnp.zeros((2, 1)), jnp.ones((2, 1))
    assert interleave_views(z0, z1)[:, 0].tolist() == [0, 1, 0, 1]
