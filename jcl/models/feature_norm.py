"""BatchNorm of feature maps, with few passes over the maps.

JAX derives the gradient of `flax.linen.BatchNorm` step by step: it takes one sum over the batch
after the other, and writes intermediate maps to memory. The gradient here is written as a whole:
two sums in one pass over the gradient and the input, and a second pass for the result. On
accelerators, networks with BatchNorm are bound by memory traffic.
"""

import jax
from jaxtyping import Array, Float

from jcl.models.batch_norm import EPSILON
from jcl.models.layer_variables import NormVariables, moments, normalise


def feature_norm(
    x: Float[Array, "N H W D"], norm: NormVariables, *, train: bool
) -> Float[Array, "N H W D"]:
    """`jcl.models.batch_norm` of feature maps, in their dtype.

    Args:
        x: feature maps.
        norm: of BatchNorm; its running statistics are updated if `train` is True.
        train: as in `jcl.models.batch_norm`.
    """
    if not train:
        return normalise(x, norm.mean.value, norm.var.value, norm.scale, norm.bias)
    y, mean, var = batch_normalised(x, norm.scale, norm.bias)
    norm.update(mean, var)
    return y


@jax.custom_vjp
def batch_normalised(
    x: Float[Array, "N H W D"], scale: Float[Array, " D"], bias: Float[Array, " D"]
) -> tuple[Float[Array, "N H W D"], Float[Array, " D"], Float[Array, " D"]]:
    """Normalises x by its mean and variance over all but the last axis.

    Args:
        x: feature maps.
        scale: multiplies the normalised x; float32 or float64.
        bias: is then added.

    Returns:
        The result, of x's dtype; and mean and variance (biased) of x, which take no gradient.
    """
    return _forward(x, scale, bias)[0]


def _forward(x, scale, bias):
    mean, var = moments(x, scale.dtype)
    residuals = x, scale, mean, jax.lax.rsqrt(var + EPSILON)
    return (normalise(x, mean, var, scale, bias), mean, var), residuals


def _backward(residuals, cotangents):
    """Ioffe & Szegedy 2015, section 3, solved for the gradient of x.

    With xhat = (x - mean x) r and g the gradient of s xhat + b,

        dx = s r (g - mean g - xhat mean(g xhat)),  ds = sum(g xhat),  db = sum g
    """
    x, scale, mean, r = residuals
    g = cotangents[0].astype(scale.dtype)
    normal = (x.astype(g.dtype) - mean) * r
    sum_g, sum_g_normal = g.sum((0, 1, 2)), (g * normal).sum((0, 1, 2))
    count = x.size // x.shape[-1]
    of_x = (g - (sum_g + normal * sum_g_normal) / count) * (scale * r)
    return of_x.astype(x.dtype), sum_g_normal, sum_g


batch_normalised.defvjp(_forward, _backward)
