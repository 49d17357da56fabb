"""Nonlinearities by the names that configs use."""

from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp

# Smooth ones too: with them float32 runs on different meshes can be compared closely.
ACTIVATIONS: dict[str, Callable] = {"relu": nn.relu, "gelu": nn.gelu, "tanh": jnp.tanh}
