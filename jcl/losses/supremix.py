"""SupReMix, supervised contrastive regression with mixed negatives and positives.

Inputs: two views of every example, targets, a random key
Formula: mean_i [log D_i - mean_{p in P(i) or M+(i)} s(z_i, p)], D_i a sum over embeddings and
  mixtures
Cost: 8 M^2 d, M = 2B, and a product for every bin of the window; mixtures of negatives cost a
  hash of every pair
Neighbours: Without mixtures it equals `supcon` with the rounded targets as labels, except that a
  term of the sum has the weight 1 plus the distance of the targets.
"""

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax.nn import logsumexp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PRNGKeyArray, Real, UInt32

from jcl.errors import UserError
from jcl.losses.beta_mixing import beta_quantiles, column_words, pair_salt, row_words
from jcl.losses.engine.door import check_key, check_views
from jcl.losses.engine.paired_batch import anchors_of_views
from jcl.losses.engine.pairwise import inner_products, map_rows
from jcl.losses.mixtures import Mixing, Randomness, Samples, sum_mixtures


def supremix(
    z0: Float[Array, "B d"],
    z1: Float[Array, "B d"],
    targets: Real[Array, " B"],
    key: PRNGKeyArray | UInt32[Array, " words"],
    *,
    temperature: Real[ArrayLike, ""],
    window: float | int,
    bin_width: float | int = 1.0,
    mix_neg: bool = True,
    mix_pos: bool = True,
    beta: Sequence[float | int] = (2.0, 8.0),
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Supervised contrastive regression over the global batch, with mixtures of its embeddings.

    With `z` the 2B unit-normalised embeddings, `y` their targets rounded to multiples of
    `bin_width`, `s` the inner product divided by the temperature, and `w(u, v) = 1 + |u - v|`::

        P(i)  = {j != i: y_j = y_i}
        M-(i) = {lambda_ik z_i + (1 - lambda_ik) z_k: y_k != y_i},  lambda_ik ~ Beta(beta)
        M+(i) = {a z_j + (1 - a) z_k: y_j < y_i < y_k, y_i - y_j < window, y_k - y_i < window},
                a = (y_k - y_i) / (y_k - y_j)

        D_i =   sum_{j != i} w(y_i, y_j) exp s(z_i, z_j)
              + sum_{m in M-(i)} w(y_i, lambda_ik y_i + (1 - lambda_ik) y_k) exp s(z_i, m)
              + sum_{m in M+(i)} exp s(z_i, m)
        l_i = log D_i - mean_{p in P(i) or M+(i)} s(z_i, p)

    Mixtures are not normalised again. They are under stop-gradient, so their terms have a gradient
    only for the anchor and the temperature. The first sum of `D_i` has gradients for anchors and
    keys. Without both kinds of mixtures this is SupCon with the weights `w` in its denominator.

    Mixtures are not computed as vectors. The pairs of M+(i) with targets `(u, v)` share one `a`, so
    their sum is a product of two sums over embeddings: exact, and linear in B for each anchor.
    `lambda_ik` is a function of `key` and the positions of i and k in the global batch. So it is
    the same for every block size and mesh, but changes if the batch is reordered.

    Args:
        z0: first view of every example, raw projections `[B, d]`.
        z1: second view, in the same order.
        targets: `[B]`, of both views; finite, and below 2^24 bins in size.
        key: a PRNG key for `lambda_ik`, another at every step.
        temperature: see `jcl.losses`.
        window: largest distance, exclusive, from the anchor's target to those of the two parts of a
            mixed positive, in units of the targets; a positive Python number.
        bin_width: in units of the targets; a positive Python number. With mixed positives, memory
            grows with `window / bin_width`, and time with its square if this ratio is large.
        mix_neg: whether there are mixed negatives, `M-`.
        mix_pos: whether there are mixed positives, `M+`.
        beta: parameters of the distribution of `lambda_ik`, the anchor's share in a negative.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i` over the 2B anchors.

    Raises:
        UserError: `window`, `bin_width` or a parameter of `beta` is not positive; else see
            `jcl.losses`.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jcl.losses import supremix
        >>> z0 = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> y, key = jnp.array([30.0, 32.0]), jax.random.key(0)
        >>> loss = supremix(z0, z0, y, key, temperature=1.0, window=5, mix_neg=False)
        >>> round(float(loss), 4)  # log(1 + 2 * 3 / e): no target lies between these two
        1.1654

    References:
        Wu et al., "Mixup Your Own Pairs", 2023 (https://arxiv.org/abs/2309.16633), as defined by
        the authors' released code, except where that code is inconsistent. Here all terms of `D_i`
        share one shift (in the code, mixtures are scaled against the rest), a mixed negative keeps
        its own label (in the code, labels are permuted), and mixtures that are switched off have no
        terms (in the code, they are zero vectors). Rounding targets to bins is ours; `bin_width=1`
        does not change ages in years.
    """
    scalars = {"temperature": temperature, "window": window, "bin_width": bin_width}
    scalars = {name: (value, "positive") for name, value in scalars.items()}
    check_views("supremix", z0, z1, mesh, targets=(targets, "real [B]"), **scalars)
    check_key("supremix", key)
    if len(beta) != 2:
        raise UserError(f"beta is {tuple(beta)}, but must be two positive numbers.")
    z, _, temperature = anchors_of_views(z0, z1, temperature)
    targets = targets.astype(jnp.promote_types(targets.dtype, z.dtype))
    bins = jax.lax.stop_gradient(jnp.round(targets / bin_width)).astype(z.dtype)
    samples = Samples(z, jnp.repeat(bins, 2))
    bin_width = float(bin_width)
    log_denominator, positive_sum, positive_count = map_rows(
        partial(_sums_over_samples, bin_width=bin_width),
        samples,
        samples,
        temperature,
        mesh=mesh,
        block_size=block_size,
    )
    reach = _bins_inside(window, bin_width) if mix_pos else 0
    if mix_neg or reach:
        salt, position = pair_salt(key), jnp.arange(len(z))
        randomness = Randomness(
            row_words(salt, position),
            column_words(salt, position),
            jnp.asarray(beta_quantiles(*map(float, beta)), z.dtype),
        )
        mixing = Mixing(bin_width, mix_neg, reach)
        mixtures = sum_mixtures(samples, temperature, randomness, mixing, mesh, block_size)
        log_denominator = jnp.logaddexp(log_denominator, mixtures.log_sum)
        positive_sum += mixtures.positive_sum
        positive_count += mixtures.positive_count
    return jnp.mean(log_denominator - positive_sum / positive_count)


def _bins_inside(window: float | int, bin_width: float | int) -> int:
    """How many bins lie strictly within the window, on one side."""
    # 2 bins lie inside a window of 3 bins, although 3 * 0.1 / 0.1 may be slightly above 3.
    return math.ceil(window / bin_width * (1 - 1e-9)) - 1


def _sums_over_samples(
    index: Int[Array, ""],
    anchor: Samples,
    keys: Samples,
    temperature: Float[Array, ""],
    *,
    bin_width: float,
) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """Log of the first sum in D_i, and the sum and the number of the logits of P(i)."""
    is_other = jnp.arange(len(keys.bin)) != index
    distance = jnp.abs(keys.bin - anchor.bin)
    is_positive = is_other & (distance == 0)
    logits = inner_products(anchor.z, keys.z) / temperature
    weight = jnp.where(is_other, 1 + bin_width * distance, 0)
    return (
        logsumexp(logits, b=weight),
        jnp.sum(jnp.where(is_positive, logits, 0)),
        jnp.sum(is_positive, dtype=logits.dtype),
    )
