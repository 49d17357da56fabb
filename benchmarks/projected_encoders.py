"""Encoders that end in the projector, so that training from end to end is as deep as contrast.

A control whose linear head stands on such an encoder has as many layers between its inputs and its
loss as a contrastive method has, whose loss stands on a projector.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from jcl.models.convnet import ConvNet
from jcl.models.mlp import MLPEncoder
from jcl.models.projector import MLP


class ProjectedConvNet(nn.Module):
    """ConvNet and the default projector; see both. The probes' features are the projector's."""

    widths: Sequence[int]
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, inputs, *, train: bool):
        """Maps images [N, H, W, C] to features [N, 128]."""
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = ConvNet(self.widths, **types)(inputs, train=train)
        return MLP(**types)(x, train=train)


class ProjectedMLP(nn.Module):
    """MLPEncoder and the default projector, as above."""

    widths: Sequence[int]
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, inputs, *, train: bool):
        """Maps vectors [N, F] to features [N, 128]."""
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = MLPEncoder(self.widths, **types)(inputs, train=train)
        return MLP(**types)(x, train=train)
