"""BatchNorm of feature maps against Flax's."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.mesh import batch_sharding, make_mesh
from jcl.models.batch_norm import batch_norm
from jcl.models.feature_norm import batch_normalised, feature_norm
from jcl.models.layer_variables import NormVariables
from tests.models.layers import check_rounding, check_same


class Plain(nn.Module):
    dtype: jnp.dtype
    param_dtype: jnp.dtype

    @nn.compact
    def __call__(self, x, *, train):
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        return batch_norm(train=train, name="norm", **types)(x)


class Whole(nn.Module):
    dtype: jnp.dtype
    param_dtype: jnp.dtype

    @nn.compact
    def __call__(self, x, *, train):
        norm = NormVariables(x.shape[-1], param_dtype=self.param_dtype, name="norm")
        return feature_norm(x.astype(self.dtype), norm, train=train)


def inputs():
    random = np.random.RandomState(0)
    x = random.randn(8, 3, 4, 6) * [1, 1, 2, 3, 0.5, 1] + [0, 1, 2, -1, 0, 4]
    return jnp.asarray(x), jnp.asarray(random.randn(8, 3, 4, 6))


def test_the_same_as_flax():
    with jax.enable_x64(True):
        check_same(*(model(jnp.float64, jnp.float64) for model in (Plain, Whole)), *inputs())


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_rounding_is_no_worse(dtype):
    with jax.enable_x64(True):
        check_rounding(Plain, Whole, *inputs(), dtype=dtype)


def test_statistics_are_those_of_the_global_batch():
    sharding = batch_sharding(make_mesh(4, 2))
    with jax.enable_x64(True):
        x, weights = inputs()
        scale, bias = jnp.linspace(-1, 2, 6), jnp.ones(6)

        def gradients(x, weights):
            def loss(*arguments):
                return jnp.sum(jnp.sin(batch_normalised(*arguments)[0]) * weights)

            return jax.grad(loss, (0, 1, 2))(x, scale, bias)

        whole = gradients(x, weights)
        split = jax.jit(gradients, in_shardings=sharding)(x, weights)
        for a, b in zip(whole, split, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
