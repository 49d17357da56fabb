"""The values of one function with the derivative of another."""

from collections.abc import Callable
from typing import Any

import jax


def with_derivative_of(
    definition: Callable[..., Any], computation: Callable[..., Any]
) -> Callable[..., Any]:
    """`computation`, which JAX cannot differentiate, with the derivative of `definition`.

    Args:
        definition: a function of arrays that JAX can differentiate.
        computation: the same function, computed in another way.
    """

    @jax.custom_vjp
    def function(*arguments):
        return computation(*arguments)

    def keep(*arguments):
        return computation(*arguments), arguments

    def backward(arguments, cotangent):
        return jax.vjp(definition, *arguments)[1](cotangent)

    function.defvjp(keep, backward)
    return function
