"""The convolution at the start of a ResNet, in a form that tensor cores take.

GPUs multiply channels in groups of eight values. An image has three channels, so its 7x7
convolution with stride 2 leaves most of the units idle, and moves less than a tenth of the bytes
per second that memory allows. Here each block of 2x2 pixels becomes one pixel of 16 channels:
twelve values and four zeros. The kernel becomes a kernel of 4x4 with stride 1. The products are the
same, summed in another order.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_CHANNELS = 4  # of a pixel; four pixels then have 16


def stem_convolution(
    images: Float[Array, "N H W C"], kernel: Float[Array, "7 7 C D"]
) -> Float[Array, "N h w D"]:
    """A 7x7 convolution with stride 2, padded by 3; h and w are H/2 and W/2, rounded up.

    Args:
        images: of any dtype; C is at most 4 where the form for tensor cores is taken.
        kernel: of the same dtype.
    """
    if images.shape[-1] > _CHANNELS:
        return plain_convolution(images, kernel)
    return jax.lax.platform_dependent(
        images, kernel, cuda=convolution_by_blocks, default=plain_convolution
    )


def plain_convolution(
    images: Float[Array, "N H W C"], kernel: Float[Array, "7 7 C D"]
) -> Float[Array, "N h w D"]:
    """`stem_convolution` as it is usually written."""
    return jax.lax.conv_general_dilated(
        images, kernel, (2, 2), ((3, 3), (3, 3)), dimension_numbers=_LAYOUT
    )


def convolution_by_blocks(
    images: Float[Array, "N H W C"], kernel: Float[Array, "7 7 C D"]
) -> Float[Array, "N h w D"]:
    """`stem_convolution` of blocks of 2x2 pixels."""
    _, height, width, channels = images.shape
    more = (0, _CHANNELS - channels)
    x = jnp.pad(images, ((0, 0), (0, height % 2), (0, width % 2), more))
    # Output i reads pixels 2i - 3 to 2i + 3; with one more before them, blocks i - 2 to i + 1.
    k = jnp.pad(kernel, ((1, 0), (1, 0), more, (0, 0)))
    return jax.lax.conv_general_dilated(
        _blocks(x, 1), _blocks(k, 0), (1, 1), ((2, 1), (2, 1)), dimension_numbers=_LAYOUT
    )


def _blocks(x, axis):
    """Moves each block of 2x2 along `axis` and the next axis into the axis after these two."""
    before, (rows, columns, channels), after = (
        x.shape[:axis],
        x.shape[axis : axis + 3],
        x.shape[axis + 3 :],
    )
    x = x.reshape(*before, rows // 2, 2, columns // 2, 2, channels, *after)
    x = jnp.swapaxes(x, axis + 1, axis + 2)
    return x.reshape(*before, rows // 2, columns // 2, 4 * channels, *after)
