"""Projection heads: the layers between the features that probes see and the loss."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jcl.errors import UserError

NORMS = ("batch", "layer", "none")


class MLP(nn.Module):
    """Dense, norm, ReLU, Dense: the two-layer head of SimCLR v1.

    Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning", section 4.2.

    Attributes:
        hidden_dim: width of the hidden layer.
        output_dim: dimension of the embeddings, d.
        norm: after the hidden layer. batch: BatchNorm over the global batch; layer: LayerNorm,
            which keeps examples independent of each other; none: a bias instead.
        dtype: what it computes in.
        param_dtype: of parameters and statistics.
    """

    hidden_dim: int = 256
    output_dim: int = 128
    norm: str = "batch"
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def __post_init__(self):
        if self.norm not in NORMS:
            raise UserError(f"projector.norm={self.norm!r} is unknown; allowed: {', '.join(NORMS)}")
        super().__post_init__()

    @nn.compact
    def __call__(self, features: Float[Array, "N D"], *, train: bool) -> Float[Array, "N d"]:
        """Maps features to raw embeddings; the loss normalises them."""
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = nn.Dense(self.hidden_dim, use_bias=self.norm == "none", **types)(features)
        if self.norm == "batch":
            x = nn.BatchNorm(use_running_average=not train, momentum=0.9, **types)(x)
        elif self.norm == "layer":
            x = nn.LayerNorm(**types)(x)
        x = nn.relu(x)
        return nn.Dense(self.output_dim, **types)(x)
