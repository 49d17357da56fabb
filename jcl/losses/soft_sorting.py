"""Differentiable sorting: the probabilities that numbers rank low, by an odd-even network."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


def chances_of_ranks(
    x: Float[Array, " n"], steepness: Float[Array, ""], *, low: int
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """The probability that each number ends among the `low` lowest, and that it does not.

    A network of n layers sorts softly. Layer l compares the neighbours (t, t + 1) for
    t = l mod 2, l mod 2 + 2, ... and mixes both with the chance that they are in order::

        a = 1 / 2 + atan(steepness (x_{t+1} - x_t)) / pi
        x_t, x_{t+1} <- a x_t + (1 - a) x_{t+1}, (1 - a) x_t + a x_{t+1}

    The same mixing turns the identity into a doubly stochastic matrix, whose entry (r, c) is the
    chance that number r ends at place c. The matrix is not formed: its layers act on the places
    one after the other, from the last layer to the first. Both chances are sums over places, and
    either is exact where it is small.

    Args:
        x: numbers, in the order in which the network gets them.
        steepness: positive scalar; the steeper the network, the nearer it is to hard sorting.
        low: number of places that count as low.

    Example:
        >>> import jax.numpy as jnp
        >>> x, steepness = jnp.array([0.0, 1.0]), jnp.float32(1.0)
        >>> [c.round(4).tolist() for c in chances_of_ranks(x, steepness, low=1)]
        [[0.75, 0.25], [0.25, 0.75]]
    """
    partners = jnp.asarray(_partners(len(x)))
    place = jnp.arange(len(x))

    def mix(x, partner):
        rise = steepness * jnp.where(partner > place, x[partner] - x, x - x[partner])
        # 1/2 +- atan(rise) / pi without a difference, which would lose small chances.
        keep, swap = (jnp.arctan2(jnp.ones_like(x), side) / jnp.pi for side in (-rise, rise))
        return keep * x + swap * x[partner], (keep, swap)

    def mix_places(chances, layer):
        partner, (keep, swap) = layer
        return keep[:, None] * chances + swap[:, None] * chances[partner], None

    _, mixing = jax.lax.scan(mix, x, partners)
    is_low = place < low
    places = jnp.stack([is_low, ~is_low], axis=1).astype(x.dtype)
    chances, _ = jax.lax.scan(mix_places, places, (partners, mixing), reverse=True)
    return chances[:, 0], chances[:, 1]


def _partners(n: int) -> Int[np.ndarray, "n n"]:
    """The partner of each place in each layer; a place without a partner is its own."""
    layer, place = np.indices((n, n))
    partner = np.where((place - layer) % 2 == 0, place + 1, place - 1)
    return np.where((partner < 0) | (partner == n), place, partner)
