"""The small convolutional encoder against other implementations of the same layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.models.convnet import ConvNet
from jcl.models.matmul_conv import matmul_conv
from tests.models.networks import drawn_images, initialised, loss_of


@pytest.mark.parametrize("shape", [(28, 28, 1), (7, 9, 3), (4, 4, 8), (2, 2, 8), (1, 1, 8)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2)])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_matmul_conv_is_xlas_convolution(shape, strides, padding):
    if padding == "VALID" and min(shape[:2]) < 3:
        return
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((5, *shape)), jnp.float32)
    kernel = jnp.asarray(rng.standard_normal((3, 3, shape[-1], 6)), jnp.float32)
    layout = ("NHWC", "HWIO", "NHWC")

    @jax.jit
    def both(x, kernel):
        theirs = jax.lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=layout)
        return matmul_conv(x, kernel, strides, padding), theirs

    ours, theirs = both(x, kernel)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_convnet_against_numpy():
    model = ConvNet(widths=(4,), activation="tanh")
    images = drawn_images(6, 8, 8, 3)
    variables = initialised(model, *images.shape)
    _, (ours, updated) = jax.jit(loss_of(model, variables, images))(variables["params"])
    kernel = np.asarray(variables["params"]["conv_stage0"]["kernel"], np.float64)
    padded = np.pad(2 * np.asarray(images, np.float64) - 1, ((0, 0), (0, 1), (0, 1), (0, 0)))
    out = np.zeros((6, 4, 4, 4))
    for row in range(4):
        for column in range(4):
            window = padded[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            out[:, row, column] = np.einsum("nklc,klcd->nd", window, kernel)
    mean, variance = out.mean((0, 1, 2)), out.var((0, 1, 2))
    expected = np.tanh((out - mean) / np.sqrt(variance + 1e-5)).mean((1, 2))
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    running = updated["batch_stats"]["batch_norm_stage0"]
    np.testing.assert_allclose(running["mean"], 0.1 * mean, atol=1e-6)
    np.testing.assert_allclose(running["var"], 0.9 + 0.1 * variance, atol=1e-5)
