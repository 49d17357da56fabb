"""Projection heads: the layers between the features, which probes use, and the loss."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jcl.config.checks import check_choice, check_count
from jcl.errors import UserError
from jcl.models.batch_norm import batch_norm

NORMS = ("batch", "layer", "none")


class MLP(nn.Module):
    """Hidden layers of Dense, norm and ReLU, then a Dense layer.

    SimCLR v1 as released has `layers=2`, `output_norm=True` and a `hidden_dim` equal to the
    dimension of the features; SimCLR v2 has `layers=3` besides. With `layers=1` it is the linear
    head that SimCLR v1 compares; without `output_bias` that is CLIP's projection.

    Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning", section 4.2; Chen et
    al. 2020, "Big Self-Supervised Models are Strong Semi-Supervised Learners" (SimCLR v2), section
    2; `output_norm`: the code released with both.

    Attributes:
        hidden_dim: width of every hidden layer.
        output_dim: dimension of the embeddings, d.
        norm: after each hidden layer. batch: BatchNorm over the global batch; layer: LayerNorm,
            which keeps examples independent of each other; none: a bias instead.
        layers: Dense layers in all.
        output_norm: a norm of the same kind after the last layer, in place of its bias; this norm
            has a scale and no bias.
        output_bias: whether the last layer has a bias, where no norm follows it.
        dtype: what it computes in.
        param_dtype: of parameters and statistics.

    Raises:
        UserError: an impossible option.
    """

    hidden_dim: int = 256
    output_dim: int = 128
    norm: str = "batch"
    layers: int = 2
    output_norm: bool = False
    output_bias: bool = True
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def __post_init__(self):
        check_choice("projector.norm", self.norm, NORMS)
        for key in ("hidden_dim", "output_dim", "layers"):
            check_count(f"projector.{key}", getattr(self, key))
        if self.output_norm and self.norm == "none":
            raise UserError(
                "projector.output_norm=True needs a norm, but projector.norm='none'; "
                "allowed: batch, layer"
            )
        super().__post_init__()

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "N *cells D"],
        *,
        train: bool,
    ) -> Float[Array, "N *cells d"]:
        """Maps features to raw embeddings; the loss normalises them.

        For feature maps, it maps each cell separately, like 1x1 convolutions; BatchNorm's
        statistics are those of all cells.

        Args:
            features: any float dtype.
            train: True normalises by the batch's statistics and updates the running ones
                (collection "batch_stats", to be named in `mutable`); False uses the running ones.
        """
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}

        def norm(x, i, **options):
            if self.norm == "batch":
                return batch_norm(train=train, name=f"batch_norm{i}", **options, **types)(x)
            if self.norm == "layer":
                return nn.LayerNorm(name=f"layer_norm{i}", **options, **types)(x)
            return x

        x, last = features, self.layers - 1
        for i in range(last):
            # A norm has a bias.
            bias = self.norm == "none"
            x = nn.Dense(self.hidden_dim, use_bias=bias, name=f"dense{i}", **types)(x)
            x = nn.relu(norm(x, i))
        bias = self.output_bias and not self.output_norm
        x = nn.Dense(self.output_dim, use_bias=bias, name=f"dense{last}", **types)(x)
        return norm(x, last, use_bias=False) if self.output_norm else x
