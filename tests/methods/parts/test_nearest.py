"""The nearest of a queue's rows against NumPy, on any mesh."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.mesh import batch_sharding, make_mesh
from jcl.methods.parts.nearest import nearest


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.mark.parametrize("sizes", [None, (4, 2)], ids=["alone", "4x2"])
def test_it_is_the_one_of_the_largest_cosine_and_the_first_of_several(sizes):
    random = np.random.RandomState(0)
    candidates = unit(random.normal(size=(12, 5))).astype(np.float32)
    candidates[9] = candidates[3]
    # Long and short rows: the cosine counts, not the inner product.
    embeddings = random.normal(size=(8, 5)) * np.geomspace(1e-3, 1e3, 8)[:, None]
    embeddings[2] = 7 * candidates[9]
    mesh = None if sizes is None else make_mesh(*sizes)
    rows = jnp.asarray(embeddings, jnp.float32)
    rows = rows if mesh is None else jax.device_put(rows, batch_sharding(mesh))
    found = jax.jit(functools.partial(nearest, mesh=mesh))(rows, candidates)
    chosen = np.argmax(unit(embeddings) @ candidates.astype(np.float64).T, axis=1)
    np.testing.assert_array_equal(found, candidates[chosen])
    assert len(set(chosen.tolist())) > 3


def test_of_equal_ones_the_first_is_taken():
    # Both point the same way, and only the position of the first can be told from the result.
    candidates = jnp.array([[0.0, 1.0], [1.0, 0.0], [1.0, -0.0]])
    found = nearest(jnp.array([[2.0, 0.0]]), candidates, None)
    assert not np.signbit(np.asarray(found)).any()


def test_no_gradient_reaches_either_side():
    gradients = jax.grad(lambda *x: nearest(*x, None).sum(), argnums=(0, 1))
    for gradient in gradients(jnp.ones((2, 3)), jnp.eye(3)):
        assert not gradient.any()
