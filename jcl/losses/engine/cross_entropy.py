"""The cross-entropy of one positive among negatives, with the positive kept out of the sum."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def cross_entropy(
    positive: Float[Array, ""], logits: Float[Array, " C"], *, where: Bool[Array, " #C"]
) -> Float[Array, ""]:
    """log(1 + sum_j exp(logits_j - positive)) over the negatives, the j at which `where` holds.

    This is `-log softmax` of the positive among itself and the negatives. The constant 1 stands for
    the positive. So the gradient is a sum of the negatives' softmax probabilities and needs no
    subtraction from 1: it is exact even where they are tiny. Without negatives, the result and its
    gradient are 0.
    """
    ratios = jnp.where(where, logits - positive, -jnp.inf)  # logarithms
    # The shift changes neither the value nor the gradient, and keeps the largest term finite.
    shift = jax.lax.stop_gradient(jnp.max(ratios, initial=0))
    return shift + jnp.log(jnp.exp(-shift) + jnp.sum(jnp.exp(ratios - shift)))
