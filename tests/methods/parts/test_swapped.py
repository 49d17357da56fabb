"""The mean cosine of predictions and the other view's targets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.methods.parts.swapped import swapped_cosine


def test_each_view_is_compared_with_the_other_and_targets_get_no_gradient():
    p = jnp.array([[[3.0, 4.0], [2.0, 0.0]]])
    t = jnp.array([[[0.0, 5.0], [7.0, 0.0]]])
    value, (of_p, of_t) = jax.jit(jax.value_and_grad(swapped_cosine, argnums=(0, 1)))(p, t)
    np.testing.assert_allclose(value, (0.6 + 0.0) / 2, rtol=1e-6)  # within a view: 0.9
    np.testing.assert_array_equal(of_t, jnp.zeros_like(t))
    # d cos / dp = (t - cos p) / |p|, of unit vectors.
    expected = [[[(1 - 0.6 * 0.6) / 5, -0.6 * 0.8 / 5], [0.0, 1 / 2]]]
    np.testing.assert_allclose(of_p, np.array(expected) / 2, atol=1e-7)


def test_more_views_than_two_are_refused():
    with pytest.raises(UserError, match=r"two views .* makes 3$"):
        swapped_cosine(jnp.ones((4, 3, 2)), jnp.ones((4, 3, 2)))
