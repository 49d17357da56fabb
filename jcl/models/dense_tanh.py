"""A Dense layer and tanh: the head of BERT and SimCSE."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float


class DenseTanh(nn.Module):
    """A Dense layer with the width of its input, then tanh.

    Take it with sentence encoders as published, and `jcl.models.projector.MLP` otherwise.

    Source: Devlin et al. 2019 (BERT), the "pooler" of the code released with it; Gao et al. 2021
    (SimCSE), section 6.1, as the head between the encoder and the loss.

    Attributes:
        dtype: what it computes in.
        param_dtype: of parameters.
    """

    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, features: Float[Array, "N D"], *, train: bool) -> Float[Array, "N D"]:
        """Maps features to raw embeddings; `train` has no effect."""
        del train
        dense = nn.Dense(
            features.shape[-1],
            kernel_init=nn.initializers.truncated_normal(0.02),
            dtype=self.dtype,
            param_dtype=self.param_dtype,
            name="dense",
        )
        return jnp.tanh(dense(features))
