"""Means over the others of a class against NumPy, on one device and on a mesh."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.losses.engine.class_means import mean_of_others
from jcl.mesh import make_mesh


def formula(x, label):
    same = (label[:, None] == label) & ~np.eye(len(label), dtype=bool)
    return same @ x / np.maximum(same.sum(1, keepdims=True), 1)


@pytest.mark.parametrize("mesh", [None, "8"])
def test_values_and_gradients(mesh):
    random = np.random.default_rng(0)
    label = random.integers(-3, 6, 48).astype(np.int32)
    label[7] = 100  # alone
    x, weights = random.standard_normal((2, 48, 3))
    mesh = None if mesh is None else make_mesh()

    def weighted(x):
        means = mean_of_others(x, jnp.asarray(label), mesh)
        return jnp.sum(weights * means), means

    with jax.enable_x64(True):
        gradient, means = jax.jit(jax.grad(weighted, has_aux=True))(jnp.asarray(x))
    np.testing.assert_allclose(means, formula(x, label), rtol=1e-12, atol=1e-13)
    assert not means[7].any()
    # The formula is linear: its gradient is the transposed matrix times the weights.
    matrix = formula(np.eye(48), label)
    np.testing.assert_allclose(gradient, matrix.T @ weights, rtol=1e-12, atol=1e-13)
