"""The last layer of a network that is trained with labels."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float


class LinearHead(nn.Module):
    """One Dense layer from features to predictions, initialised with zeros.

    Attributes:
        outputs: number of predicted values per example.
        dtype: what it computes in.
        param_dtype: of its parameters.
    """

    outputs: int
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, features: Float[Array, "N D"], *, train: bool) -> Float[Array, "N outputs"]:
        """Maps features to logits or to predicted targets; `train` has no effect."""
        del train
        return nn.Dense(
            self.outputs,
            name="dense",
            kernel_init=nn.initializers.zeros_init(),
            dtype=self.dtype,
            param_dtype=self.param_dtype,
        )(features)
