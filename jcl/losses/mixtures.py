"""The terms of SupReMix's mixtures, whose gradient reaches only the anchor.

The parts of a mixture are under stop-gradient, so the terms of an anchor have a gradient for that
anchor alone. The forward pass computes this gradient together with the values and keeps it, one
vector per row. So the backward pass need not draw or compute mixtures again.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, UInt32

from jcl.losses.beta_mixing import pair_coefficients
from jcl.losses.engine.pairwise import inner_products, map_rows


class Samples(NamedTuple):
    """Anchors, or keys: the same trees on both sides."""

    z: Float[Array, "*samples d"]
    bin: Float[Array, "*samples"]  # the target in units of the bin width: a whole number


class Randomness(NamedTuple):
    """The source of the coefficients of mixed negatives; see `beta_mixing`."""

    rows: UInt32[Array, "*samples 2"]
    columns: UInt32[Array, " samples"]
    quantiles: Float[Array, " 16384"]


class Mixing(NamedTuple):
    """Static choices.

    Attributes:
        bin_width: width of a bin, in units of the targets.
        negatives: whether there are mixed negatives.
        reach: how many bins away mixed positives reach; 0 for none.
    """

    bin_width: float
    negatives: bool
    reach: int


class Mixtures(NamedTuple):
    """Sums over an anchor's mixtures."""

    log_sum: Float[Array, "*anchors"]  # logsumexp of the mixtures' logits plus log-weights
    positive_sum: Float[Array, "*anchors"]  # sum of the logits of mixed positives
    positive_count: Float[Array, "*anchors"]


@partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def sum_mixtures(
    samples: Samples,
    temperature: Float[Array, ""],
    randomness: Randomness,
    mixing: Mixing,
    mesh: Mesh | None,
    block_size: int | None,
) -> Mixtures:
    """Sums over the mixtures of every anchor; see `supremix` for what they are.

    Args:
        samples: unit rows `[M, d]` and bins `[M]`, in the order of the global batch.
        temperature: positive scalar.
        randomness: of the same samples.
        mixing: see `Mixing`.
        mesh: see `map_rows`.
        block_size: see `map_rows`.
    """
    return _map(_sums, samples, temperature, randomness, mixing, mesh, block_size)


def _keep_gradients(samples, temperature, randomness, mixing, mesh, block_size):
    return _map(_sums_and_gradients, samples, temperature, randomness, mixing, mesh, block_size)


def _backward(mixing, mesh, block_size, kept, cotangents):
    (log_sum_by_z, log_sum_by_temperature), (positive_by_z, positive_by_temperature) = kept
    of_log_sum, of_positive, _ = cotangents
    of_z = of_log_sum[:, None] * log_sum_by_z + of_positive[:, None] * positive_by_z
    of_temperature = of_log_sum * log_sum_by_temperature + of_positive * positive_by_temperature
    return Samples(of_z, None), jnp.sum(of_temperature), None


sum_mixtures.defvjp(_keep_gradients, _backward)


def _map(row_fn, samples, temperature, randomness, mixing, mesh, block_size):
    rows, *others = randomness
    return map_rows(
        partial(row_fn, mixing=mixing),
        (samples, rows),
        jax.lax.stop_gradient(samples),  # for second derivatives too
        (temperature, others),
        mesh=mesh,
        block_size=block_size,
    )


def _sums(index, row, keys, replicated, *, mixing) -> Mixtures:
    anchor, temperature, randomness = _unpack(row, replicated)
    log_sum = _log_sum(anchor.z, temperature, anchor.bin, keys, randomness, mixing)
    return Mixtures(log_sum, *_positives(anchor.z, temperature, anchor.bin, keys, mixing))


def _sums_and_gradients(index, row, keys, replicated, *, mixing):
    anchor, temperature, randomness = _unpack(row, replicated)
    log_sum, of_log_sum = jax.value_and_grad(_log_sum, argnums=(0, 1))(
        anchor.z, temperature, anchor.bin, keys, randomness, mixing
    )
    positives = jax.value_and_grad(_positives, argnums=(0, 1), has_aux=True)
    (positive_sum, count), of_positive_sum = positives(
        anchor.z, temperature, anchor.bin, keys, mixing
    )
    return Mixtures(log_sum, positive_sum, count), (of_log_sum, of_positive_sum)


def _unpack(row, replicated):
    (anchor, words), (temperature, others) = row, replicated
    return anchor, temperature, Randomness(words, *others)


def _log_sum(z, temperature, anchor_bin, keys, randomness, mixing) -> Float[Array, ""]:
    """Logsumexp over all mixtures of one anchor; minus infinity where it has none."""
    offset = keys.bin - anchor_bin
    logits = inner_products(z, keys.z) / temperature
    inside = (offset != 0) & (jnp.abs(offset) <= mixing.reach)
    # The logit of a mixed positive is at most the larger one of its two parts.
    shift = jnp.max(jnp.where(inside, logits, -jnp.inf))
    if mixing.negatives:
        share = pair_coefficients(*randomness)
        # The square is 1, or 0 for a zero row. Neither has a gradient.
        own_logit = jax.lax.stop_gradient(jnp.sum(jnp.square(z))) / temperature
        mixed = jnp.where(offset == 0, -jnp.inf, share * own_logit + (1 - share) * logits)
        shift = jnp.maximum(shift, jnp.max(mixed))
    # Mixed positives far below one of their parts may underflow. The denominator then holds that
    # part as a far larger term, so nothing is lost.
    shift = jax.lax.stop_gradient(jnp.where(jnp.isneginf(shift), 0, shift))
    total = jnp.zeros((), z.dtype)
    if mixing.negatives:
        weight = 1 + mixing.bin_width * (1 - share) * jnp.abs(offset)
        total += jnp.sum(weight * jnp.exp(mixed - shift))
    if mixing.reach:
        total += _sum_of_mixed_positives(logits - shift, offset, mixing.reach)
    # The inner `where` keeps the gradient of an empty sum finite, the outer one makes it zero.
    return jnp.where(total > 0, shift + jnp.log(jnp.where(total > 0, total, 1)), -jnp.inf)


def _sum_of_mixed_positives(logits, offset, reach: int) -> Float[Array, ""]:
    """Sum of exponentials over all pairs of a key 1 to `reach` bins below and one as far above.

    A key that is m bins from the anchor, with its partner t bins away on the other side, has the
    coefficient t / (m + t). So with E[t, m] the sum of exp(t / (m + t) * logit) over the keys at m,
    the sum over pairs is sum_{t, m} E_below[t, m] E_above[m, t].

    The logits hold a shift already. The two factors share the shift in the proportion a : 1 - a of
    their coefficients, so a factor that underflows belongs to mixtures that would underflow too.
    """
    away = jnp.arange(1, reach + 1, dtype=logits.dtype)
    distance = jnp.abs(offset)
    # Other keys are left out of the sums below, but their exponentials must be finite. The anchor's
    # own logit may be so far above the shift that its exponential overflows.
    logits = jnp.where((distance > 0) & (distance <= reach), logits, 0)
    exponential = jnp.exp(away[:, None] / (away[:, None] + distance) * logits)
    # These are matrix products, because in a masked sum XLA would compute the exponentials again
    # for every bin. Each side has a product of its own, because on a CPU one product for both takes
    # 1.6 times as long if M is a power of two.
    below, above = (
        jnp.einsum(
            "tk,mk->tm", exponential, side.astype(logits.dtype), precision=jax.lax.Precision.HIGHEST
        )
        for side in _is_at(offset, reach)
    )
    return jnp.sum(below * above.T)


def _positives(z, temperature, anchor_bin, keys, mixing):
    """Sum of the logits of all mixed positives of one anchor, and their number."""
    if not mixing.reach:
        return jnp.zeros((), z.dtype), jnp.zeros((), z.dtype)
    offset = keys.bin - anchor_bin
    logits = inner_products(z, keys.z) / temperature
    sides = _is_at(offset, mixing.reach)
    below, above = (jnp.sum(jnp.where(side, logits, 0), axis=1) for side in sides)
    n_below, n_above = (jnp.sum(side, axis=1, dtype=z.dtype) for side in sides)
    away = jnp.arange(1, mixing.reach + 1, dtype=z.dtype)
    coefficient = away[:, None] / (away[:, None] + away)  # [partner's distance, own distance]
    total = jnp.sum(coefficient * (n_above[:, None] * below + n_below[:, None] * above))
    return total, jnp.sum(n_below) * jnp.sum(n_above)


def _is_at(
    offset, reach: int
) -> tuple[Bool[Array, "distances keys"], Bool[Array, "distances keys"]]:
    """Masks of the keys at each distance, near to far: below the anchor, and above it."""
    away = jnp.arange(1, reach + 1, dtype=offset.dtype)
    return offset == -away[:, None], offset == away[:, None]
