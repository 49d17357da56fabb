"""Pooling first against pooling last."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jcl.models.batch_norm import batch_norm
from jcl.models.layer_variables import ConvKernel, NormVariables
from jcl.models.pooled_stem import pooled_stem
from tests.models.layers import trained

INIT = nn.initializers.lecun_normal()
TYPES = {"dtype": jnp.float64, "param_dtype": jnp.float64}


def scale_init(key, shape, dtype):
    """Falling, constant (a scale of zero) and rising channels."""
    del key
    return jnp.linspace(-1, 1, shape[0], dtype=dtype)


class Plain(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        window = {"kernel_size": (7, 7), "strides": (2, 2), "padding": 3}
        x = nn.Conv(9, use_bias=False, kernel_init=INIT, name="conv", **window, **TYPES)(x)
        x = nn.relu(batch_norm(train=train, scale_init=scale_init, name="norm", **TYPES)(x))
        return nn.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))


class PooledFirst(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        kernel = ConvKernel(9, 7, INIT, jnp.float64, name="conv")(x.shape[-1])
        norm = NormVariables(9, scale_init, jnp.float64, name="norm")
        return pooled_stem(x, kernel, norm, train=train)


def test_the_order_does_not_matter():
    with jax.enable_x64(True):
        random = np.random.RandomState(0)
        x, weights = random.randn(4, 21, 16, 3), random.randn(4, 6, 4, 9)
        plain, first = (
            trained(model(), jnp.asarray(x), jnp.asarray(weights), spread=0.0)
            for model in (Plain, PooledFirst)
        )
        assert jax.tree.structure(plain) == jax.tree.structure(first)
        for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(first), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-11)
