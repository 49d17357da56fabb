"""Parameters of layers that are computed together, under the names of Flax's own layers."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jcl.models.batch_norm import EPSILON, MOMENTUM


class ConvKernel(nn.Module):
    """The kernel of a convolution, as `flax.linen.Conv` would make it.

    Attributes:
        features: number of output channels.
        size: of the window, in pixels along both axes.
        kernel_init: of the kernel.
        param_dtype: of the kernel.
    """

    features: int
    size: int
    kernel_init: Callable
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, channels: int) -> Float[Array, "k k C D"]:
        """Returns the kernel for an input with this number of channels."""
        shape = (self.size, self.size, channels, self.features)
        return self.param("kernel", self.kernel_init, shape, self.param_dtype)


class NormVariables(nn.Module):
    """Scale, bias and running statistics of a `jcl.models.batch_norm`.

    Attributes:
        features: channels.
        scale_init: of the scale.
        param_dtype: of all four.
    """

    features: int
    scale_init: Callable = nn.initializers.ones
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        """Makes the parameters and statistics."""
        shape = (self.features,)
        self.scale = self.param("scale", self.scale_init, shape, self.param_dtype)
        self.bias = self.param("bias", nn.initializers.zeros, shape, self.param_dtype)
        self.mean = self.variable("batch_stats", "mean", jnp.zeros, shape, self.param_dtype)
        self.var = self.variable("batch_stats", "var", jnp.ones, shape, self.param_dtype)

    def update(self, mean: Float[Array, " D"], var: Float[Array, " D"]) -> None:
        """Moves the running statistics towards those of a batch."""
        if not self.is_initializing():
            self.mean.value = MOMENTUM * self.mean.value + (1 - MOMENTUM) * mean
            self.var.value = MOMENTUM * self.var.value + (1 - MOMENTUM) * var


def moments(
    x: Float[Array, "N H W D"], dtype: DTypeLike
) -> tuple[Float[Array, " D"], Float[Array, " D"]]:
    """Mean and variance over all but the last axis, computed in `dtype` and in one pass."""
    x = x.astype(dtype)
    mean = x.mean((0, 1, 2))
    return mean, jnp.maximum(jnp.square(x).mean((0, 1, 2)) - jnp.square(mean), 0)


def normalise(
    x: Float[Array, "N H W D"],
    mean: Float[Array, " D"],
    var: Float[Array, " D"],
    scale: Float[Array, " D"],
    bias: Float[Array, " D"],
) -> Float[Array, "N H W D"]:
    """The second half of BatchNorm, computed in the scale's dtype; the result has x's dtype."""
    factor = jax.lax.rsqrt(var + EPSILON) * scale
    return ((x.astype(scale.dtype) - mean) * factor + bias).astype(x.dtype)
