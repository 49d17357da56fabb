"""An encoder without convolutions, for small images and for vectors."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from jcl.config.checks import check_choice, check_counts, check_decay
from jcl.models.activations import ACTIVATIONS
from jcl.models.batch_norm import batch_norm
from jcl.models.dropout import Dropout


class MLPEncoder(nn.Module):
    """Dense layers, each with BatchNorm and a nonlinearity, on flattened inputs.

    Inputs are not rescaled, because the first BatchNorm removes any shift and scale.

    Attributes:
        widths: of the layers; the last is the dimension of the features.
        activation: relu, gelu, exact_gelu, quick_gelu or tanh.
        dropout: share of values that are dropped after each activation in training, in [0, 1).
        dtype: what it computes in.
        param_dtype: of parameters and BatchNorm statistics.

    Raises:
        UserError: an impossible option.
    """

    widths: Sequence[int] = (512, 512)
    activation: str = "relu"
    dropout: float = 0.0
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def __post_init__(self):
        check_choice("encoder.activation", self.activation, ACTIVATIONS)
        check_counts("encoder.widths", self.widths, per="layer")
        check_decay("encoder.dropout", self.dropout)
        super().__post_init__()

    @nn.compact
    def __call__(
        self,
        inputs: Float[Array, "N *rest"],  # noqa: F821  names of axes
        *,
        train: bool,
        keys: Shaped[PRNGKeyArray, " N"] | None = None,
    ) -> Float[Array, "N D"]:
        """Maps images, or anything else with examples along the first axis, to features.

        Args:
            inputs: any float dtype.
            train: True normalises by the batch's statistics and updates the running ones
                (collection "batch_stats", to be named in `mutable`); False uses the running ones.
            keys: of dropout, one per example; None drops nothing.
        """
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = inputs.reshape(inputs.shape[0], -1)
        for i, width in enumerate(self.widths):
            # BatchNorm has a bias.
            x = nn.Dense(width, use_bias=False, name=f"layer{i}", **types)(x)
            x = batch_norm(train=train, name=f"norm{i}", **types)(x)
            x = ACTIVATIONS[self.activation](x)
            x = Dropout(self.dropout, name=f"dropout{i}")(x, keys=keys)
        return x
