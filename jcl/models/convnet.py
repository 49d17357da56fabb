"""A small convolutional encoder that trains in minutes on a CPU."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jcl.config.checks import check_choice, check_counts, check_not_negative
from jcl.models.activations import ACTIVATIONS
from jcl.models.batch_norm import batch_norm
from jcl.models.inputs import check_images, first_stages
from jcl.models.matmul_conv import matmul_conv


class ConvNet(nn.Module):
    """Stride-2 3x3 convolutions, each with BatchNorm and a nonlinearity, then a mean over space.

    Under `jit` on a batch that is sharded over a mesh, BatchNorm's statistics are those of the
    global batch.

    Attributes:
        widths: channels of each stage; every stage halves the resolution. The last is the
            dimension of the features.
        blocks: residual 3x3 convolutions in each stage except the first, where they would cost
            most; they enlarge the receptive field.
        activation: relu, gelu, exact_gelu, quick_gelu or tanh.
        dtype: what it computes in.
        param_dtype: of parameters and BatchNorm statistics.
    """

    widths: Sequence[int] = (24, 48, 96, 192)
    blocks: int = 0
    activation: str = "relu"
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def __post_init__(self):
        check_choice("encoder.activation", self.activation, ACTIVATIONS)
        check_counts("encoder.widths", self.widths, per="stage")
        check_not_negative("encoder.blocks", self.blocks)
        super().__post_init__()

    def __call__(self, images: Float[Array, "N ..."], *, train: bool) -> Float[Array, "N D"]:
        """Maps images with values in [0, 1] to features.

        Args:
            images: [N, H, W, C], any float dtype.
            train: True normalises by the batch's statistics and updates the running ones
                (collection "batch_stats", to be named in `mutable`); False uses the running ones.
        """
        return self.feature_map(images, train=train).mean((1, 2))

    @nn.compact
    def feature_map(
        self, images: Float[Array, "N ..."], *, train: bool, left_out: int = 0
    ) -> Float[Array, "N h w D"]:
        """The features before the mean; every stage halves height and width.

        Args:
            images: as `__call__` takes them.
            train: as `__call__` takes it.
            left_out: number of last stages that are left out.
        """
        check_images("ConvNet", images)
        widths = first_stages("ConvNet", self.widths, left_out)
        activation = ACTIVATIONS[self.activation]
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}

        def unit(x, name, width, stride):
            x = nn.Conv(
                width,
                kernel_size=(3, 3),
                strides=(stride, stride),
                use_bias=False,  # BatchNorm has one
                conv_general_dilated=matmul_conv,
                name=f"conv_{name}",
                **types,
            )(x)
            x = batch_norm(train=train, name=f"batch_norm_{name}", **types)(x)
            return activation(x)

        x = 2 * images.astype(self.dtype) - 1
        for stage, width in enumerate(widths):
            x = unit(x, f"stage{stage}", width, stride=2)
            for block in range(self.blocks if stage else 0):
                x = x + unit(x, f"stage{stage}_block{block}", width, stride=1)
        return x
