"""The stem's convolution of blocks of pixels against the one of pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.models.stem_convolution import (
    convolution_by_blocks,
    plain_convolution,
    stem_convolution,
)


@pytest.mark.parametrize(("sides", "channels"), [((8, 6), 3), ((9, 7), 1)])
def test_values_and_gradients_are_the_same(sides, channels):
    with jax.enable_x64(True):
        random = np.random.RandomState(0)
        images = jnp.asarray(random.randn(2, *sides, channels))
        kernel = jnp.asarray(random.randn(7, 7, channels, 4))
        expected, pull = jax.vjp(plain_convolution, images, kernel)
        found, pull_blocks = jax.vjp(convolution_by_blocks, images, kernel)
        weights = jnp.asarray(random.randn(*expected.shape))
        for a, b in zip((found, *pull_blocks(weights)), (expected, *pull(weights)), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("platform", "channels", "blocks"),
    [("cpu", 3, False), ("tpu", 3, False), ("cuda", 3, True), ("cuda", 5, False)],
)
def test_only_gpus_take_blocks(platform, channels, blocks):
    shapes = [(2, 8, 8, channels), (7, 7, channels, 4)]
    shapes = [jax.ShapeDtypeStruct(shape, jnp.bfloat16) for shape in shapes]
    lowered = jax.jit(stem_convolution).trace(*shapes).lower(lowering_platforms=(platform,))
    assert ("tensor<4x4x16x4xbf16>" in lowered.as_text()) == blocks
