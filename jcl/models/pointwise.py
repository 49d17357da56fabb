"""A 1x1 convolution and its BatchNorm, without keeping the convolution's output.

The last convolution of a bottleneck block makes the widest activations of a ResNet. The usual
backward pass of BatchNorm reads them three times: for two sums over the batch, and for the gradient
of each operand of the convolution. The forward pass reads them once, for mean and variance. But a
1x1 convolution is linear. So all of this can be computed from its input, which is a quarter as
wide, and from the input's mean and covariance: see `_forward` and `_backward`. On accelerators,
where memory traffic bounds networks with BatchNorm, this saves time although it needs a few percent
more operations.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jcl.models.batch_norm import EPSILON
from jcl.models.layer_variables import NormVariables, normalise

_SMALL = {"precision": "highest"}  # for products of parameters, whose operands TPUs would round


def conv_norm(
    x: Float[Array, "N H W C"], kernel: Float[Array, "1 1 C D"], norm: NormVariables, *, train: bool
) -> Float[Array, "N H W D"]:
    """A 1x1 convolution and its BatchNorm, in the dtype of x.

    Args:
        x: feature maps.
        kernel: of any dtype.
        norm: its running statistics are updated if `train` is True.
        train: as in `jcl.models.batch_norm`.
    """
    kernel = kernel[0, 0].astype(x.dtype)
    if not train:
        y = _convolve(x, kernel)
        return normalise(y, norm.mean.value, norm.var.value, norm.scale, norm.bias)
    y, mean, var = pointwise_norm(x, kernel, norm.scale, norm.bias)
    norm.update(mean, var)
    return y


@jax.custom_vjp
def pointwise_norm(
    x: Float[Array, "N H W C"],
    kernel: Float[Array, "C D"],
    scale: Float[Array, " D"],
    bias: Float[Array, " D"],
) -> tuple[Float[Array, "N H W D"], Float[Array, " D"], Float[Array, " D"]]:
    """Normalises x @ kernel by its mean and variance over all but the last axis.

    Args:
        x: has the dtype of the product.
        kernel: of the same dtype.
        scale: multiplies the normalised product; float32 or float64.
        bias: is then added.

    Returns:
        The result, of x's dtype; and mean and variance (biased) of the product before it is
        rounded to that dtype, without gradient.
    """
    return _forward(x, kernel, scale, bias)[0]


def _forward(x, kernel, scale, bias):
    mean_x = x.astype(scale.dtype).mean((0, 1, 2))
    xx = jnp.einsum("nhwc,nhwe->ce", x, x, preferred_element_type=scale.dtype)
    count = x.size // x.shape[-1]
    xx -= count * jnp.outer(mean_x, mean_x)
    # Mean and variance of the product follow from those of x, so nobody reads the product for them.
    k = kernel.astype(scale.dtype)
    mean = jnp.matmul(mean_x, k, **_SMALL)
    var = jnp.maximum(jnp.sum(k * jnp.matmul(xx, k, **_SMALL), 0) / count, 0)
    y = normalise(_convolve(x, kernel), mean, var, scale, bias)
    return (y, mean, var), (x, kernel, scale, jax.lax.rsqrt(var + EPSILON), mean_x, xx)


def _backward(residuals, cotangents):
    """The backward pass of Ioffe & Szegedy 2015, Algorithm 1, without y.

    Let rows n run over batch and space, and let y = x K, yhat = (y - mean y) r, z = s yhat + b.
    With g the gradient of z and c(.) for subtracting the mean over n,

        sum_n c(y)_nj g_nj = sum_i K_ij (c(x)' g)_ij             gradient of s, over r
        c(x)' c(y)         = (c(x)' c(x)) K                      a covariance, C x C
        dy                 = s r (c(g) - yhat m),  m = mean_n(yhat g)
        dK = x' dy         = (c(x)' g - (c(x)' c(x)) K r m) s r
        dx = dy K'         = (g - mean g) (K s r)' - c(x) (K (s r^2 m) K')

    so that neither y nor yhat appears.
    """
    x, kernel, scale, r, mean_x, xx = residuals
    g = cotangents[0]
    dtype = scale.dtype
    count = x.size // x.shape[-1]
    products = functools.partial(jnp.einsum, preferred_element_type=dtype)
    sum_g = g.astype(dtype).sum((0, 1, 2))
    # The means of x and g are subtracted after the products, where this is free.
    xg = products("nhwc,nhwd->cd", x, g) - jnp.outer(mean_x, sum_g)
    k = kernel.astype(dtype)
    of_scale = r * jnp.sum(k * xg, 0)
    m = of_scale / count
    of_kernel = (xg - jnp.matmul(xx, k, **_SMALL) * (r * m)) * (scale * r)
    through_g = (k * (scale * r)).T
    through_x = jnp.matmul(k * (scale * r * r * m), k.T, **_SMALL)
    constant = jnp.matmul(mean_x, through_x, **_SMALL)
    constant -= jnp.matmul(sum_g / count, through_g, **_SMALL)
    # Products in x's dtype: where they are bfloat16, half as much of them goes through memory.
    less = jnp.einsum("nhwe,ec->nhwc", x, through_x.astype(x.dtype)).astype(dtype) - constant
    of_x = jnp.einsum("nhwd,dc->nhwc", g, through_g.astype(x.dtype)).astype(dtype) - less
    return of_x.astype(x.dtype), of_kernel.astype(kernel.dtype), of_scale, sum_g


pointwise_norm.defvjp(_forward, _backward)


def _convolve(x, kernel):
    return jnp.einsum("nhwc,cd->nhwd", x, kernel)
