"""The first layers of a ResNet: 7x7 convolution, BatchNorm, ReLU, 3x3 max pool.

Their activations are among the largest of the network. A maximum commutes with non-decreasing
functions. So the pool can come before BatchNorm and ReLU, which then process a quarter of the
pixels, forward and backward. In channels where BatchNorm decreases, because its scale is negative,
the convolution and the scale both change their sign, which does not change the result.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jcl.models.batch_norm import EPSILON
from jcl.models.layer_variables import NormVariables, moments, normalise
from jcl.models.max_pool import max_pool, max_pool_gradient
from jcl.models.stem_convolution import stem_convolution


def pooled_stem(
    images: Float[Array, "N H W C"],
    kernel: Float[Array, "7 7 C D"],
    norm: NormVariables,
    *,
    train: bool,
) -> Float[Array, "N h w D"]:
    """Applies the four layers, in the dtype of the images; h and w are H/4 and W/4, rounded up.

    Args:
        images: any values.
        kernel: of the convolution, which has stride 2.
        norm: of BatchNorm; its running statistics are updated if `train` is True.
        train: as in `jcl.models.batch_norm`.

    Source: He et al. 2016, "Deep Residual Learning for Image Recognition", Table 1.
    """
    sign = jnp.where(norm.scale < 0, -1, 1).astype(norm.scale.dtype)
    x = stem_convolution(images, (kernel * sign).astype(images.dtype))
    scale = sign * norm.scale
    if train:
        y, mean, var = _pool_and_normalise(x, scale, norm.bias)
        norm.update(sign * mean, var)
    else:
        y = normalise(max_pool(x), sign * norm.mean.value, norm.var.value, scale, norm.bias)
    return nn.relu(y)


@jax.custom_vjp
def _pool_and_normalise(x, scale, bias):
    """`max_pool` of x, normalised by the mean and variance of x itself; and these two."""
    return _forward(x, scale, bias)[0]


def _forward(x, scale, bias):
    mean, var = moments(x, scale.dtype)
    # Without the barrier, XLA would keep x minus its mean for the backward pass, in float32.
    pooled = jax.lax.optimization_barrier(max_pool(x))
    residuals = x, pooled, scale, mean, jax.lax.rsqrt(var + EPSILON)
    return (normalise(pooled, mean, var, scale, bias), mean, var), residuals


def _backward(residuals, cotangents):
    """As in `jcl.models.feature_norm`; g is of the pooled map, mean and variance are of x."""
    x, pooled, scale, mean, r = residuals
    g = cotangents[0].astype(scale.dtype)
    sum_g = g.sum((0, 1, 2))
    sum_g_normal = (g * (pooled.astype(g.dtype) - mean) * r).sum((0, 1, 2))
    count = x.size // x.shape[-1]
    normal = (x.astype(g.dtype) - mean) * r
    of_pooled = (g * (scale * r)).astype(x.dtype)
    of_x = max_pool_gradient(x, of_pooled).astype(g.dtype)
    of_x -= (sum_g + normal * sum_g_normal) * (scale * r / count)
    return of_x.astype(x.dtype), sum_g_normal, sum_g


_pool_and_normalise.defvjp(_forward, _backward)
