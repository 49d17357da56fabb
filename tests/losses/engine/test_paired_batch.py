"""What losses of two views begin with, where the two embeddings are not of one dtype."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.losses.engine.paired_batch import anchors_of_views
from tests.losses.every_loss import EVERY_LOSS
from tests.losses.two_view_cases import two_view_cases

Z0, Z1 = two_view_cases()["random"]


@pytest.mark.parametrize("name", ["nt_xent", "info_nce"])
def test_a_loss_is_float64_where_one_embedding_is(name):
    with jax.enable_x64(True):
        loss = jax.jit(jax.value_and_grad(EVERY_LOSS[name], argnums=(0, 1)))
        value, gradients = loss(Z0, Z1.astype(np.float64), None, temperature=0.1)
    assert value.dtype == np.float64
    assert [g.dtype for g in gradients] == [np.float32, np.float64]
    expected, _ = loss(Z0, Z1, None, temperature=0.1)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_the_views_of_an_example_are_its_anchors():
    z, example, temperature = anchors_of_views(jnp.asarray(Z0), jnp.asarray(3 * Z0), 0.1)
    assert example.tolist() == [i // 2 for i in range(2 * len(Z0))]
    np.testing.assert_allclose(z[0::2], z[1::2], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-6)
    assert temperature.dtype == z.dtype == np.float32
