"""Moving averages that are kept as logarithms, so that no temperature overflows."""

import jax.numpy as jnp
from jax.lax import stop_gradient
from jaxtyping import Array, Float


def log_average(
    log_old: Float[Array, "*#batch"], log_new: Float[Array, "*batch"], gamma: float
) -> Float[Array, "*batch"]:
    """log((1 - gamma) old + gamma new), or log new where old is 0; without gradient.

    Args:
        log_old: log of the average so far; -inf where there is none.
        log_new: log of the same quantity in this step.
        gamma: weight of the new value, above 0 and at most 1; 1 forgets the old one.
    """
    log_old, log_new = stop_gradient(log_old), stop_gradient(log_new)
    average = jnp.logaddexp(jnp.log1p(-gamma) + log_old, jnp.log(gamma) + log_new)
    return jnp.where(jnp.isneginf(log_old), log_new, average)


def log_with_gradient_of(
    log_average: Float[Array, "*batch"], log_new: Float[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """The logarithm of an average, with the gradient of new / average for a fixed average."""
    share = jnp.exp(stop_gradient(log_new) - log_average)
    return log_average + share * (log_new - stop_gradient(log_new))
