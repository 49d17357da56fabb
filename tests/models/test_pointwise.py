"""The fused form against the layers that it stands for."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.mesh import batch_sharding, make_mesh
from jcl.models.batch_norm import batch_norm
from jcl.models.layer_variables import ConvKernel, NormVariables
from jcl.models.pointwise import conv_norm, pointwise_norm
from tests.models.layers import check_rounding, check_same


class Plain(nn.Module):
    """A convolution and a BatchNorm of Flax."""

    dtype: jnp.dtype
    param_dtype: jnp.dtype

    @nn.compact
    def __call__(self, x, *, train):
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = nn.Conv(24, (1, 1), use_bias=False, name="conv", **types)(x)
        return batch_norm(train=train, name="norm", **types)(x)


class Fused(nn.Module):
    dtype: jnp.dtype
    param_dtype: jnp.dtype

    @nn.compact
    def __call__(self, x, *, train):
        init = nn.initializers.lecun_normal()
        kernel = ConvKernel(24, 1, init, self.param_dtype, name="conv")(x.shape[-1])
        norm = NormVariables(24, param_dtype=self.param_dtype, name="norm")
        return conv_norm(x.astype(self.dtype), kernel, norm, train=train)


def inputs(dtype):
    random = np.random.RandomState(0)
    # What a ReLU leaves, with channels of unlike means and scales.
    x = np.maximum(random.randn(16, 5, 4, 6) * [1, 1, 2, 3, 0.5, 1] + [0, 1, 2, -1, 0, 4], 0)
    return jnp.asarray(x, dtype), jnp.asarray(random.randn(16, 5, 4, 24), dtype)


def test_the_same_as_convolution_and_batch_norm():
    with jax.enable_x64(True):
        layers = (model(jnp.float64, jnp.float64) for model in (Plain, Fused))
        check_same(*layers, *inputs(jnp.float64))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_rounding_is_no_worse(dtype):
    with jax.enable_x64(True):
        check_rounding(Plain, Fused, *inputs(jnp.float64), dtype=dtype)


def test_the_product_is_not_kept():
    x, _ = inputs(jnp.float32)
    kernel, ones = jnp.ones((6, 24)), jnp.ones(24)
    _, pull = jax.vjp(pointwise_norm, x, kernel, ones, ones)
    assert max(leaf.size for leaf in jax.tree.leaves(pull)) == x.size


def test_statistics_are_those_of_the_global_batch():
    mesh = make_mesh(4, 2)
    with jax.enable_x64(True):
        x, weights = inputs(jnp.float64)
        kernel = jnp.asarray(np.random.RandomState(2).randn(6, 24))
        scale, bias = jnp.linspace(-1, 2, 24), jnp.ones(24)

        @functools.partial(jax.jit, static_argnums=0)
        def gradients(sharding, x, weights, *parameters):
            if sharding is not None:
                x, weights = jax.lax.with_sharding_constraint((x, weights), sharding)

            def loss(*arguments):
                return jnp.sum(jnp.sin(pointwise_norm(*arguments)[0]) * weights)

            return jax.grad(loss, (0, 1, 2, 3))(x, *parameters)

        for a, b in zip(
            gradients(None, x, weights, kernel, scale, bias),
            gradients(batch_sharding(mesh), x, weights, kernel, scale, bias),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
