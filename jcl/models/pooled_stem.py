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

from jcl.models.layer_variables import NormVariables, moments, normalise


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
    x = jax.lax.conv_general_dilated(
        images,
        (kernel * sign).astype(images.dtype),
        window_strides=(2, 2),
        padding=((3, 3), (3, 3)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    if train:
        mean, var = moments(x, norm.scale.dtype)
        norm.update(sign * mean, var)
    else:
        mean, var = sign * norm.mean.value, norm.var.value
    x = nn.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
    return nn.relu(normalise(x, mean, var, sign * norm.scale, norm.bias))
