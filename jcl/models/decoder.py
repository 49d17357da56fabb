"""Decoders: from codes back to examples."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jcl.config.checks import check_choice, check_counts
from jcl.models.activations import ACTIVATIONS


class MLPDecoder(nn.Module):
    """Dense layers with a nonlinearity, then one to all values of an image or a vector.

    No layer mixes examples.

    Attributes:
        widths: of the hidden layers, from the codes on.
        activation: relu, gelu, exact_gelu, quick_gelu or tanh.
        dtype: what it computes in.
        param_dtype: of parameters.

    Raises:
        UserError: an impossible option.
    """

    widths: Sequence[int] = (256, 512)
    activation: str = "relu"
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def __post_init__(self):
        check_choice("decoder.activation", self.activation, ACTIVATIONS)
        check_counts("decoder.widths", self.widths, per="layer")
        super().__post_init__()

    @nn.compact
    def __call__(
        self, codes: Float[Array, "N d"], *, shape: tuple[int, ...], train: bool
    ) -> tuple[Float[Array, "N ..."], Float[Array, "N D"]]:
        """Maps codes to values without bounds.

        Args:
            codes: any float dtype.
            shape: of one example.
            train: has no effect.

        Returns:
            The values, and the last hidden layer.
        """
        del train
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = codes
        for i, width in enumerate(self.widths):
            x = ACTIVATIONS[self.activation](nn.Dense(width, name=f"layer{i}", **types)(x))
        values = nn.Dense(math.prod(shape), name="output", **types)(x)
        return values.reshape(-1, *shape), x
