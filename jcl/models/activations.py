"""Nonlinearities by the names that configs use."""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def computed_again(function: Callable) -> Callable:
    """The same function of an array, whose gradient keeps the array and nothing else.

    JAX's gradient of a GELU also keeps a factor of the derivative. This factor is as large as the
    hidden layer of an MLP, and is written to memory and read again. Computing it again costs less.
    bfloat16 arrays are computed in float32, and the result is rounded once.

    Args:
        function: of each element alone.
    """

    def wide(x):
        return function(x.astype(jnp.promote_types(x.dtype, jnp.float32))).astype(x.dtype)

    def forward(x):
        # Without the barrier, XLA would compute the factor once and keep it.
        return wide(x), jax.lax.optimization_barrier(x)

    def backward(x, g):
        return jax.vjp(wide, x)[1](g)

    result = jax.custom_vjp(wide)
    result.defvjp(forward, backward)
    return result


def quick_gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The GELU of OpenAI's CLIP, x sigmoid(1.702 x) (Hendrycks & Gimpel 2016, section 2)."""
    return x * jax.nn.sigmoid(1.702 * x)


# Smooth activations allow a close comparison of float32 runs on different meshes; ReLU does not.
ACTIVATIONS: dict[str, Callable] = {
    "relu": nn.relu,
    "gelu": computed_again(nn.gelu),  # by tanh
    "exact_gelu": computed_again(functools.partial(nn.gelu, approximate=False)),
    "quick_gelu": computed_again(quick_gelu),
    "tanh": jnp.tanh,
}
