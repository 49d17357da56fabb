"""Chooses examples so that their targets have a density that was asked for."""

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from jcl.data.order import permute
from jcl.errors import UserError

DENSITIES = ("uniform", "exponential")
_FALL = 100.0  # of the exponential density, from the lowest to the highest target


def sample_by_density(
    target: Shaped[np.ndarray, " n"],
    *,
    examples: int,
    density: str,
    seed: int,
    bins: int = 60,
) -> Int64[np.ndarray, " examples"]:
    """Chooses rows whose targets follow a density as nearly as the data allow.

    The range of the target is divided into equal bins. Each bin's quota is proportional to the
    density in its middle. If a bin holds fewer rows than its quota, all are taken, and the other
    bins share the rest in proportion. Within a bin, rows are drawn without replacement.

    Args:
        target: numbers [n].
        examples: how many rows to choose, at most n.
        density: "uniform", or "exponential", which falls by a factor of 100 from the lowest to the
            highest target.
        seed: of the draw within bins, any integer.
        bins: into which the range is cut.

    Returns:
        The positions of the rows, int64 [examples], rising.

    Raises:
        UserError: an unknown density, too many or too few examples, a constant target.
    """
    if density not in DENSITIES:
        raise UserError(f"the density {density!r} is unknown; allowed: {', '.join(DENSITIES)}")
    check_examples(examples, len(target))
    bin_of = _bin_of(target.astype(np.float64), bins)
    weights = np.ones(bins)
    if density == "exponential":
        weights = _FALL ** (-(np.arange(bins) + 0.5) / bins)
    quotas = _quotas(weights, np.bincount(bin_of, minlength=bins), examples)
    chosen = []
    for i, quota in enumerate(quotas):
        rows = np.flatnonzero(bin_of == i)
        if quota:  # every bin has its own permutation, like an epoch
            chosen.append(rows[permute(np.arange(quota), n=len(rows), seed=seed, epoch=i)])
    return np.sort(np.concatenate(chosen))


def check_examples(examples: int, available: int) -> None:
    """Raises UserError if `examples` cannot be chosen among those available."""
    if not 1 <= examples <= available:
        raise UserError(
            f"{examples} examples are asked for, but it must be 1 to {available}, the number that "
            "there are"
        )


def _bin_of(target: Float64[np.ndarray, " n"], bins: int) -> Int64[np.ndarray, " n"]:
    """The bin of every target; the highest target lies in the last bin."""
    low, high = target.min(), target.max()
    if not low < high:
        raise UserError(f"the target is {low:g} everywhere, so it has no density to choose by")
    return np.minimum((target - low) / (high - low) * bins, bins - 1).astype(np.int64)


def _quotas(
    weights: Float64[np.ndarray, " bins"], sizes: Int64[np.ndarray, " bins"], examples: int
) -> Int64[np.ndarray, " bins"]:
    """Whole numbers near min(size, t * weight), with the t under which they sum to `examples`."""
    quotas = np.zeros(len(weights), np.int64)
    open_, left = sizes > 0, examples
    while left:
        shares = left * weights[open_] / weights[open_].sum()
        full = np.flatnonzero(open_)[shares >= sizes[open_] - 1e-9]
        if not full.size:
            # The running total is rounded, so the sum over any run of bins is off by less than 1.
            quotas[open_] = np.diff(np.floor(np.cumsum(shares) + 0.5), prepend=0)
            break
        quotas[full] = sizes[full]
        left -= sizes[full].sum()
        open_[full] = False
    return quotas
