"""The cross-entropy of one positive among negatives, with the positive kept apart."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def cross_entropy(
    positive: Float[Array, ""], logits: Float[Array, " C"], *, where: Bool[Array, " #C"]
) -> Float[Array, ""]:
    """log(1 + sum_j exp(logits_j - positive)) over the negatives, the j at which `where` holds.

    That is `-log softmax` of the positive among itself and the negatives. The constant 1 stands for
    the positive, so its share of the softmax is never subtracted from one: the gradient is a sum of
    the negatives' shares, and exact however small they are. Without negatives the result is 0, and
    so is its gradient.
    """
    ratios = jnp.where(where, logits - positive, -jnp.inf)  # logarithms
    # The shift changes neither the value nor the gradient, and keeps the largest term finite.
    shift = jax.lax.stop_gradient(jnp.max(ratios, initial=0))
    return shift + jnp.log(jnp.exp(-shift) + jnp.sum(jnp.exp(ratios - shift)))
