"""Nonlinearities by the names that configs use."""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def computed_again(function: Callable) -> Callable:
    """The same function of an array, whose gradient keeps the array and nothing else.

    As JAX differentiates a GELU, a factor of its derivative is kept as well, as large as the hidden
    layer of an MLP, and goes through memory twice. It costs less to compute it again. Arrays of
    bfloat16 are computed with in float32, and the result is rounded once.

    Args:
        function: of each element alone.
    """

    def wide(x):
        return function(x.astype(jnp.promote_types(x.dtype, jnp.float32))).astype(x.dtype)

    def forward(x):
        # Otherwise XLA finds what is computed twice, and keeps it.
        return wide(x), jax.lax.optimization_barrier(x)

    def backward(x, g):
        return jax.vjp(wide, x)[1](g)

    result = jax.custom_vjp(wide)
    result.defvjp(forward, backward)
    return result


def quick_gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """X sigmoid(1.702 x), OpenAI CLIP's form of the GELU (Hendrycks & Gimpel 2016, section 2)."""
    return x * jax.nn.sigmoid(1.702 * x)


# There are smooth ones too: with them float32 runs on different meshes can be compared closely.
ACTIVATIONS: dict[str, Callable] = {
    "relu": nn.relu,
    "gelu": computed_again(nn.gelu),  # by tanh
    "exact_gelu": computed_again(functools.partial(nn.gelu, approximate=False)),
    "quick_gelu": computed_again(quick_gelu),
    "tanh": jnp.tanh,
}
