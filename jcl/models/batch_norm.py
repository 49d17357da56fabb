"""Batch normalisation with the settings of all models."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

MOMENTUM = 0.9
EPSILON = 1e-5


def batch_norm(*, train: bool, dtype: DTypeLike, param_dtype: DTypeLike, **options) -> nn.BatchNorm:
    """A BatchNorm layer whose statistics are computed and kept in float32, or float64.

    Under `jit` on a batch that is sharded over a mesh, the statistics are those of the global
    batch. The running statistics have a decay of 0.9 per step (in PyTorch, a momentum of 0.1). The
    variance is the biased one, also in the running statistics, and epsilon is 1e-5.

    Source: Ioffe & Szegedy 2015, "Batch Normalization", Algorithm 1.

    Args:
        train: True normalises by the batch's statistics and updates the running ones; False uses
            the running ones.
        dtype: of the output; statistics are float32 if this is bfloat16.
        param_dtype: of scale and bias.
        **options: others of `flax.linen.BatchNorm`, such as `name`.
    """
    return nn.BatchNorm(
        use_running_average=not train,
        momentum=MOMENTUM,
        epsilon=EPSILON,
        dtype=dtype,
        param_dtype=param_dtype,
        # If it is True, running statistics start as float32 for any dtype of parameters, so a
        # float64 run would change their dtype in its first step.
        force_float32_reductions=jnp.dtype(param_dtype) != jnp.float64,
        **options,
    )
