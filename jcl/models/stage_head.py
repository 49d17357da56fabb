"""A head on an inner stage of an encoder."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jcl.models.batch_norm import batch_norm


class StageHead(nn.Module):
    """Maps the feature map of an inner stage to the last stage's shape, and projects its mean.

    Attributes:
        projector: for features as wide as the encoder's.
        halvings: stages between this one and the last; each has a 3x3 convolution that halves the
            resolution and doubles the channels, with BatchNorm and ReLU.
        dtype: what it computes in.
        param_dtype: of parameters and BatchNorm statistics.
    """

    projector: nn.Module
    halvings: int
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "N h w C"], *, train: bool) -> Float[Array, "N d"]:
        """Maps feature maps to raw embeddings; `train` as in `jcl.models.convnet.ConvNet`."""
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        for i in range(self.halvings):
            width = 2 * x.shape[-1]
            # BatchNorm has a bias.
            x = nn.Conv(width, (3, 3), (2, 2), use_bias=False, name=f"conv{i}", **types)(x)
            x = nn.relu(batch_norm(train=train, name=f"norm{i}", **types)(x))
        return self.projector(x.mean((1, 2)), train=train)
