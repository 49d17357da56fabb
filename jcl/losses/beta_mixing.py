"""Beta-distributed mixing coefficients that depend only on a key and a pair of positions.

A coefficient is a function of `(key, i, k)`, so it does not change with the block of rows, the mesh
or the device that computes it. No coefficient is stored or sent. A hash of a few integer operations
gives uniform bits, and a table of the inverse distribution function turns them into a coefficient.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt32

from jcl.errors import UserError

# 2^14 quantiles take 64 KiB and stay in cache. The look-up takes most of the time of a coefficient.
# Interpolation would need two look-ups, so there is none.
_TABLE_BITS = 14
_GRID_POINTS = 2**17


def pair_salt(key: PRNGKeyArray | UInt32[Array, " words"]) -> UInt32[Array, " 4"]:
    """Random words from a key, typed or raw, which `row_words` and `column_words` take."""
    return jax.random.bits(key, (4,), jnp.uint32)


def row_words(salt: UInt32[Array, " 4"], i: Int[Array, "*i"]) -> UInt32[Array, "*i 2"]:
    """Words of the first positions of pairs, for `pair_coefficients`.

    Call this and `column_words` before the pairs are spread out. XLA would otherwise compute the
    words anew for every pair, which takes twice as long as the coefficients themselves.
    """
    i = i.astype(jnp.uint32)
    return jnp.stack([_scramble(i ^ salt[0]), _scramble(_scramble(i ^ salt[1]) + salt[2])], axis=-1)


def column_words(salt: UInt32[Array, " 4"], k: Int[Array, "*k"]) -> UInt32[Array, "*k"]:
    """Words of the second positions of pairs, for `pair_coefficients`."""
    return _scramble(k.astype(jnp.uint32) ^ salt[3])


def pair_coefficients(
    rows: UInt32[Array, "*#pairs 2"],
    columns: UInt32[Array, "*#pairs"],
    quantiles: Float[Array, " 16384"],
) -> Float[Array, "*pairs"]:
    """One coefficient for every ordered pair of positions, independent across pairs.

    Args:
        rows: from `row_words`; broadcast against `columns`.
        columns: from `column_words`, with the same salt.
        quantiles: from `beta_quantiles`.

    Returns:
        Coefficients in [0, 1], in the dtype of `quantiles`.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> quantiles = jnp.asarray(beta_quantiles(2.0, 8.0), jnp.float32)
        >>> position, salt = jnp.arange(64), pair_salt(jax.random.key(0))
        >>> rows, columns = row_words(salt, position), column_words(salt, position)
        >>> matrix = pair_coefficients(rows[:, None], columns, quantiles)
        >>> matrix.shape, bool(jnp.abs(matrix.mean() - 0.2) < 0.01)
        ((64, 64), True)
    """
    # Rows and columns were scrambled separately, so the words of neighbouring positions are
    # unrelated.
    bits = _scramble(columns ^ rows[..., 0], rows[..., 1])
    interval = bits >> (32 - _TABLE_BITS)  # unsigned, so JAX adds no code for negative indices
    return quantiles.at[interval].get(mode="promise_in_bounds")


@lru_cache
def beta_quantiles(a: float, b: float) -> np.ndarray:
    """Quantiles of Beta(a, b) in the middle of 16384 equal intervals of probability, float64.

    A quantile drawn uniformly differs from Beta(a, b) by at most 1/32768 in cumulative probability
    (the Kolmogorov distance). A million draws could not detect this difference.

    Raises:
        UserError: a or b is not a positive number.
    """
    if not (0 < a < np.inf and 0 < b < np.inf):
        raise UserError(f"beta is ({a}, {b}), but must be two positive numbers.")
    # With x = sigmoid(s) the density x^a (1 - x)^b ds is smooth for any a and b, and its tails
    # are e^(a s) and e^(-b s). Relative to the peak, e^-40 is below float64's resolution.
    peak = np.log(a / b)
    spread = np.sqrt(1 / a + 1 / b)
    s = np.linspace(peak - 40 / a - 9 * spread, peak + 40 / b + 9 * spread, _GRID_POINTS)
    log_density = -a * np.logaddexp(0, -s) - b * np.logaddexp(0, s)
    density = np.exp(log_density - np.max(log_density))
    cumulative = np.concatenate([[0], np.cumsum(density[1:] + density[:-1])])
    probability = (np.arange(2**_TABLE_BITS) + 0.5) / 2**_TABLE_BITS
    quantiles = np.exp(-np.logaddexp(0, -np.interp(probability, cumulative / cumulative[-1], s)))
    quantiles.flags.writeable = False  # because the array is cached
    return quantiles


def _scramble(
    x: UInt32[Array, "*#shape"], salt: UInt32[Array, "*#shape"] | None = None
) -> UInt32[Array, "*shape"]:
    """A bijection of 32-bit words in which every bit of `x` changes every bit of the result.

    The multipliers and shifts are those that Wellons found by search ("lowbias32", 2018).
    """
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = x ^ (x >> 15)
    if salt is not None:
        x = x + salt
    x = x * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)
