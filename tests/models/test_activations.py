"""Smooth nonlinearities against their formulas in float64, and what their gradients keep."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from jcl.models.activations import ACTIVATIONS

X = np.linspace(-6, 6, 97)


def logistic(x):
    return x * special.expit(1.702 * x)


def by_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("exact_gelu", lambda x: x * special.ndtr(x)),
        ("gelu", by_tanh),
        ("quick_gelu", logistic),
    ],
)
def test_values_and_derivatives(name, formula):
    y, pull = jax.vjp(ACTIVATIONS[name], jnp.asarray(X, jnp.float32))
    np.testing.assert_allclose(y, formula(X), rtol=0, atol=1e-6)
    slope = (formula(X + 1e-5) - formula(X - 1e-5)) / 2e-5
    np.testing.assert_allclose(pull(jnp.ones(X.shape, jnp.float32))[0], slope, rtol=0, atol=5e-6)
    assert [leaf.size for leaf in jax.tree.leaves(pull)] == [X.size]


def test_bfloat16_is_rounded_once():
    x = jnp.asarray(X, jnp.bfloat16)
    exact = jnp.asarray(np.asarray(x, np.float64), jnp.float32)
    expected = (exact * special.ndtr(exact)).astype(jnp.bfloat16)
    np.testing.assert_array_equal(ACTIVATIONS["exact_gelu"](x), expected)
