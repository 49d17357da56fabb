"""Encoders and projectors against other implementations of the same layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.models.convnet import ConvNet
from jcl.models.matmul_conv import matmul_conv
from jcl.models.projector import MLP


@pytest.mark.parametrize("shape", [(28, 28, 1), (7, 9, 3), (4, 4, 8), (2, 2, 8), (1, 1, 8)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2)])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_matmul_conv_is_xlas_convolution(shape, strides, padding):
    if padding == "VALID" and min(shape[:2]) < 3:
        return
    key = jax.random.key(0)
    x = jax.random.normal(key, (5, *shape))
    kernel = jax.random.normal(key, (3, 3, shape[-1], 6))
    layout = ("NHWC", "HWIO", "NHWC")
    theirs = jax.lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=layout)
    np.testing.assert_allclose(matmul_conv(x, kernel, strides, padding), theirs, atol=2e-5)


def test_convnet_in_inference_mode_is_a_function_of_each_image_alone():
    model = ConvNet(widths=(4, 8))
    images = jax.random.uniform(jax.random.key(0), (6, 8, 8, 3))
    variables = model.init(jax.random.key(1), images, train=True)
    together = model.apply(variables, images, train=False)
    alone = jnp.concatenate([model.apply(variables, x[None], train=False) for x in images])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert together.shape == (6, 8)


def test_convnet_against_numpy():
    model = ConvNet(widths=(4,), activation="tanh")
    images = jax.random.uniform(jax.random.key(0), (6, 8, 8, 3))
    variables = model.init(jax.random.key(1), images, train=True)
    ours, updated = model.apply(variables, images, train=True, mutable=["batch_stats"])
    kernel = np.asarray(variables["params"]["Conv_0"]["kernel"], np.float64)
    padded = np.pad(2 * np.asarray(images, np.float64) - 1, ((0, 0), (0, 1), (0, 1), (0, 0)))
    out = np.zeros((6, 4, 4, 4))
    for row in range(4):
        for column in range(4):
            window = padded[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            out[:, row, column] = np.einsum("nklc,klcd->nd", window, kernel)
    mean, variance = out.mean((0, 1, 2)), out.var((0, 1, 2))
    expected = np.tanh((out - mean) / np.sqrt(variance + 1e-5)).mean((1, 2))
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    running = updated["batch_stats"]["BatchNorm_0"]
    np.testing.assert_allclose(running["mean"], 0.1 * mean, atol=1e-6)
    np.testing.assert_allclose(running["var"], 0.9 + 0.1 * variance, atol=1e-5)


@pytest.mark.parametrize(("norm", "parameters"), [("batch", 16), ("layer", 16), ("none", 8)])
def test_projector_parameters_and_independence(norm, parameters):
    model = MLP(hidden_dim=8, output_dim=3, norm=norm)
    x = jax.random.normal(jax.random.key(0), (5, 6))
    variables = model.init(jax.random.key(1), x, train=True)
    count = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    assert count == 6 * 8 + parameters + 8 * 3 + 3
    z, _ = model.apply(variables, x, train=True, mutable=["batch_stats"])
    first, _ = model.apply(variables, x[:2], train=True, mutable=["batch_stats"])
    # Only BatchNorm lets one example change another's embedding.
    assert np.allclose(z[:2], first, atol=1e-6) == (norm != "batch")


def test_bfloat16_computes_there_and_keeps_float32_parameters():
    model = ConvNet(widths=(4,), dtype=jnp.bfloat16)
    images = jnp.ones((2, 8, 8, 3))
    features, variables = model.init_with_output(jax.random.key(0), images, train=True)
    assert features.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
