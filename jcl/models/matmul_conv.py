"""A convolution as one matrix product, for encoders that should be fast on a CPU.

XLA's CPU convolutions run at a fraction of the speed of its matrix products. For the shapes of
`ConvNet` this form takes a sixth to two thirds of their time (`python -m benchmarks.convolution`).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def matmul_conv(
    lhs: Float[Array, "N H W C"],
    rhs: Float[Array, "k l C D"],
    window_strides: tuple[int, int],
    padding: str,
    *,
    precision=None,
    **defaults,
) -> Float[Array, "N h w D"]:
    """Replaces `jax.lax.conv_general_dilated` in `flax.linen.Conv`.

    It puts the k l shifted copies of the image side by side and multiplies them by the kernel. It
    needs k l times the memory of its input.

    Args:
        lhs: images.
        rhs: kernel.
        window_strides: (rows, columns).
        padding: "SAME" or "VALID".
        precision: of the product.
        **defaults: further options of flax; there is no dilation and there are no feature groups.

    Raises:
        ValueError: an option that is not supported.
    """
    allowed = {"lhs_dilation": (1, 1), "rhs_dilation": (1, 1), "feature_group_count": 1}
    for name, value in allowed.items():
        if defaults.get(name, value) != value:
            raise ValueError(f"matmul_conv has no {name}, but got {defaults[name]}")
    kernel, spatial = rhs.shape[:2], lhs.shape[1:3]
    pads = jax.lax.padtype_to_pads(spatial, kernel, window_strides, padding)
    padded = jnp.pad(lhs, ((0, 0), *pads, (0, 0)))
    # The number of outputs in each direction is the number of windows that fit.
    rows, columns = (
        (size + sum(pad) - width) // stride * stride + 1
        for size, pad, width, stride in zip(spatial, pads, kernel, window_strides, strict=True)
    )
    patches = jnp.concatenate(
        [
            padded[:, i : i + rows : window_strides[0], j : j + columns : window_strides[1]]
            for i in range(kernel[0])
            for j in range(kernel[1])
        ],
        axis=-1,
    )
    return jnp.matmul(patches, rhs.reshape(-1, rhs.shape[-1]), precision=precision)
