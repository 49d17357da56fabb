"""Nonlinearities by the names that configs use."""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def quick_gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """X sigmoid(1.702 x), OpenAI CLIP's form of the GELU (Hendrycks & Gimpel 2016, section 2)."""
    return x * jax.nn.sigmoid(1.702 * x)


# There are smooth ones too: with them float32 runs on different meshes can be compared closely.
ACTIVATIONS: dict[str, Callable] = {
    "relu": nn.relu,
    "gelu": nn.gelu,  # the approximation by tanh
    "exact_gelu": functools.partial(nn.gelu, approximate=False),
    "quick_gelu": quick_gelu,
    "tanh": jnp.tanh,
}
