"""The gradient of max pooling by windows against select-and-scatter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.models.max_pool import gradient_by_windows, max_pool, max_pool_gradient


def test_windows_give_what_the_scatter_gives():
    random = np.random.RandomState(0)
    # Few values, so that most windows have several maxima; all negative, so that padding is none.
    x = jnp.asarray(random.randint(-4, 0, (3, 6, 7, 5)), jnp.float32)
    g = jnp.asarray(random.randn(*max_pool(x).shape), jnp.float32)
    expected = jax.jit(lambda x, g: jax.vjp(max_pool, x)[1](g)[0])(x, g)
    np.testing.assert_allclose(jax.jit(gradient_by_windows)(x, g), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("platform", "has_scatter"), [("cpu", True), ("tpu", True), ("cuda", False)]
)
def test_only_gpus_go_without_the_scatter(platform, has_scatter):
    shapes = [jax.ShapeDtypeStruct((2, side, side, 4), jnp.bfloat16) for side in (8, 4)]
    lowered = jax.jit(max_pool_gradient).trace(*shapes).lower(lowering_platforms=(platform,))
    assert ("select_and_scatter" in lowered.as_text()) == has_scatter
