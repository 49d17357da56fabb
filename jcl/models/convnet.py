"""A small convolutional encoder that trains in minutes on a CPU."""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jcl.errors import UserError
from jcl.models.matmul_conv import matmul_conv

# Smooth ones too: with them float32 runs on different meshes can be compared closely.
ACTIVATIONS: dict[str, Callable] = {"relu": nn.relu, "gelu": nn.gelu, "tanh": jnp.tanh}


class ConvNet(nn.Module):
    """Stride-2 3x3 convolutions, each with BatchNorm and a nonlinearity, then a mean over space.

    Under `jit` on a batch that is sharded over a mesh, BatchNorm's statistics are those of the
    global batch.

    Attributes:
        widths: channels of each stage; every stage halves the resolution. The last is the
            dimension of the features.
        blocks: residual 3x3 convolutions in each stage after the first, where an image is large
            and they would cost most; they widen the receptive field.
        activation: relu, gelu or tanh.
        dtype: what it computes in.
        param_dtype: of parameters and BatchNorm statistics.
    """

    widths: Sequence[int] = (24, 48, 96, 192)
    blocks: int = 0
    activation: str = "relu"
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def __post_init__(self):
        if self.activation not in ACTIVATIONS:
            raise UserError(
                f"encoder.activation={self.activation!r} is unknown; "
                f"allowed: {', '.join(ACTIVATIONS)}"
            )
        if not self.widths or any(not isinstance(w, int) or w < 1 for w in self.widths):
            raise UserError(
                f"encoder.widths={self.widths!r} is impossible: give positive integers, one a stage"
            )
        if self.blocks < 0:
            raise UserError(f"encoder.blocks={self.blocks} is impossible: it is zero or more")
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Float[Array, "N H W C"], *, train: bool) -> Float[Array, "N D"]:
        """Maps images with values in [0, 1] to features.

        Args:
            images: any float dtype.
            train: True normalises by the batch's statistics and updates the running ones
                (collection "batch_stats", to be named in `mutable`); False uses the running ones.
        """
        activation = ACTIVATIONS[self.activation]
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}

        def unit(x, width, stride):
            x = nn.Conv(
                width,
                kernel_size=(3, 3),
                strides=(stride, stride),
                use_bias=False,  # BatchNorm brings one
                conv_general_dilated=matmul_conv,
                **types,
            )(x)
            x = nn.BatchNorm(use_running_average=not train, momentum=0.9, **types)(x)
            return activation(x)

        x = 2 * images.astype(self.dtype) - 1
        for stage, width in enumerate(self.widths):
            x = unit(x, width, stride=2)
            for _ in range(self.blocks if stage else 0):
                x = x + unit(x, width, stride=1)
        return x.mean((1, 2))
