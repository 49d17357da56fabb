"""ReLU of a sum, whose gradient keeps the result alone."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jcl.models.residual_sum import rectified_sum


def test_values_and_gradients_are_those_of_relu():
    random = np.random.RandomState(0)
    x, y, g = (jnp.asarray(random.randint(-2, 3, (2, 3, 3, 4)), jnp.float32) for _ in range(3))
    expected, pull = jax.vjp(lambda x, y: nn.relu(x + y), x, y)
    found, pull_ours = jax.vjp(rectified_sum, x, y)
    for a, b in zip((found, *pull_ours(g)), (expected, *pull(g)), strict=True):
        np.testing.assert_array_equal(a, b)
    (kept,) = jax.tree.leaves(pull_ours)
    np.testing.assert_array_equal(kept, found)
