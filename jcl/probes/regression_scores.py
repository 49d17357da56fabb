"""Scores of predicted targets: errors, correlations, few-shot regions."""

import numpy as np
from jaxtyping import Array, Float, Int, Real

from jcl.errors import UserError
from jcl.probes.checks import check_targets

SCORES = ("mae", "rmse", "r2", "pearson", "spearman")

# Share of the variance of all rows: a resample that varies less has no correlation.
_ROUNDING = 1e-12
_CHUNK = 2**22  # weights of resamples in memory at a time, 32 MiB


def regression_scores(
    predicted: Real[Array | np.ndarray, "*s m"],
    target: Real[Array | np.ndarray, " m"],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict:
    """Errors and correlations of predictions, with 95% bootstrap intervals over test examples.

    Intervals are percentile intervals (Efron & Tibshirani, "An Introduction to the Bootstrap",
    1993, chapter 13): examples are drawn with replacement, and the 2.5th and 97.5th percentiles of
    the resamples' scores are taken. They show the effect of the choice of test examples; training
    is not repeated. Undefined scores of single resamples are left out.

    Args:
        predicted: [m], or [s, m] of s fits: a score is then the mean over the fits, also within
            each resample.
        target: [m], in any unit; mae and rmse have the same unit.
        resamples: number of resamples; 0 leaves the intervals out.
        seed: of the resamples.

    Returns:
        {"mae", "rmse", "r2", "pearson", "spearman"} and {"mae_interval": [low, high], ..}. r2 is
        1 - sum of squared errors / sum of squares around the mean target, spearman the correlation
        of ranks (ties share their mean rank). Undefined scores are None: r2 of constant targets,
        and correlations of constant targets or predictions.

    Raises:
        UserError: shapes that do not match, numbers that are not finite, negative resamples.
    """
    fits, target = _checked(predicted, target)
    if resamples < 0:
        raise UserError(f"resamples must be 0 or more, not {resamples}.")
    distinct, times = np.unique(fits, axis=0, return_counts=True)
    prepared = [_Prepared(fit, target) for fit in distinct]
    m = len(target)
    point = _scores(prepared, times, np.ones((1, m)))
    scores = {name: _number(point[name][0]) for name in SCORES}
    if not resamples:
        return scores
    rng = np.random.default_rng(seed)
    size = max(_CHUNK // m, 1)
    parts = []
    for start in range(0, resamples, size):
        count = min(size, resamples - start)
        drawn = rng.integers(0, m, (count, m)) + m * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * m).reshape(count, m)
        parts.append(_scores(prepared, times, weights.astype(np.float64)))
    for name in SCORES:
        values = np.concatenate([part[name] for part in parts])
        values = values[np.isfinite(values)]
        defined = scores[name] is not None and len(values)
        interval = np.percentile(values, [2.5, 97.5]).tolist() if defined else None
        scores[f"{name}_interval"] = interval
    return scores


def regions(
    predicted: Real[Array | np.ndarray, "*s m"],
    target: Real[Array | np.ndarray, " m"],
    train_target: Real[Array | np.ndarray, " n"],
    *,
    bin_width: float,
) -> dict[str, dict]:
    """MAE and RMSE in many-, medium- and few-shot regions of the target.

    As in Yang et al., "Delving into Deep Imbalanced Regression" (ICML 2021), section 4, the bin
    round(target / bin_width) of a test example has more than 100 training examples (many), 20 to
    100 (medium), or fewer than 20 or none (few).

    Args:
        predicted: [m], or [s, m] of s fits: errors are then means over the fits.
        target: [m].
        train_target: [n], of the examples that the predictor was fitted on.
        bin_width: in units of the target, positive.

    Returns:
        {"many": {"mae", "rmse", "n": test examples}, "medium": {..}, "few": {..}}; a region
        without test examples is left out.

    Raises:
        UserError: shapes that do not match, numbers that are not finite, or a bin_width that is not
            positive.
    """
    fits, target = _checked(predicted, target)
    train_target = np.asarray(train_target, np.float64)
    check_targets("Train targets", train_target, n=len(train_target))
    if not 0 < bin_width < np.inf:
        raise UserError(f"bin_width must be positive, not {bin_width}.")
    bins, counts = np.unique(np.round(train_target / bin_width), return_counts=True)
    own = np.round(target / bin_width)
    place = np.minimum(np.searchsorted(bins, own), len(bins) - 1)
    examples = np.where(bins[place] == own, counts[place], 0)
    errors = np.abs(fits - target)
    found = {}
    for name, inside in (
        ("many", examples > 100),
        ("medium", (examples >= 20) & (examples <= 100)),
        ("few", examples < 20),
    ):
        if inside.any():
            mine = errors[:, inside]
            found[name] = {
                "mae": float(mine.mean()),
                "rmse": float(np.sqrt((mine**2).mean(1)).mean()),
                "n": int(inside.sum()),
            }
    return found


def _checked(predicted, target) -> tuple[Float[np.ndarray, "s m"], Float[np.ndarray, " m"]]:
    target = np.asarray(target, np.float64)
    fits = np.atleast_2d(np.asarray(predicted, np.float64))
    if target.size == 0 or fits.ndim != 2 or len(fits) == 0:
        raise UserError("Scores need at least one prediction and its target.")
    check_targets("Targets", target, n=fits.shape[1])
    for fit in fits:
        check_targets("Predictions", fit, n=len(target))
    return fits, target


class _Prepared:
    """Terms whose weighted sums give the scores for any weights of the examples."""

    def __init__(self, predicted: Float[np.ndarray, " m"], target: Float[np.ndarray, " m"]):
        error = predicted - target
        # Centred, so that second moments do not cancel.
        p, t = predicted - predicted.mean(), target - target.mean()
        self.moments = np.stack([np.abs(error), error**2, p, t, p * p, t * t, p * t], axis=1)
        self.constant = _constant(predicted), _constant(target)
        self.orders = _Ranking(predicted), _Ranking(target)


class _Ranking:
    """Ranks of values that are drawn several times."""

    def __init__(self, values: Float[np.ndarray, " m"]):
        self.order = np.argsort(values, kind="stable")
        in_order = values[self.order]
        self.first = np.flatnonzero(np.r_[True, in_order[1:] != in_order[:-1]])
        self.group = np.empty(len(values), np.int64)  # of equal values, by size
        self.group[self.order] = np.repeat(
            np.arange(len(self.first)), np.diff(np.r_[self.first, len(values)])
        )

    def ranks(self, weights: Float[np.ndarray, "b m"]) -> Float[np.ndarray, "b m"]:
        """Mean rank of each example among all that are drawn, as if sorted with repetitions."""
        counts = np.add.reduceat(weights[:, self.order], self.first, axis=1)
        below = np.cumsum(counts, axis=1) - counts
        return (below + (counts + 1) / 2)[:, self.group]


def _scores(
    prepared: list[_Prepared], times: Int[np.ndarray, " s"], weights: Float[np.ndarray, "b m"]
) -> dict:
    """Scores [b] of examples with each row of weights, averaged over fits."""
    each = [_scores_of_fit(fit, weights) for fit in prepared]
    mean = {name: [scores[name] for scores in each] for name in SCORES}
    return {name: np.average(values, axis=0, weights=times) for name, values in mean.items()}


def _scores_of_fit(fit: _Prepared, weights: Float[np.ndarray, "b m"]) -> dict:
    m = weights.shape[1]
    absolute, squared, p, t, pp, tt, pt = (weights @ fit.moments / m).T
    whole = fit.moments.mean(0)
    constant_p, constant_t = fit.constant
    var_p = _variance(pp - p * p, whole[4], constant_p)
    var_t = _variance(tt - t * t, whole[5], constant_t)
    rank_p, rank_t = (ranking.ranks(weights) - (m + 1) / 2 for ranking in fit.orders)
    weighted = weights * rank_p
    rank_pt = np.einsum("bm,bm->b", weighted, rank_t)
    rank_pp = np.einsum("bm,bm->b", weighted, rank_p)
    rank_tt = np.einsum("bm,bm->b", weights * rank_t, rank_t)
    cubed = float(m**3)
    scale = _variance(rank_pp, cubed, constant_p) * _variance(rank_tt, cubed, constant_t)
    return {
        "mae": absolute,
        "rmse": np.sqrt(squared),
        "r2": 1 - squared / var_t,
        "pearson": np.clip((pt - p * t) / np.sqrt(var_p * var_t), -1, 1),
        "spearman": np.clip(rank_pt / np.sqrt(scale), -1, 1),
    }


def _variance(values: np.ndarray, whole: float, constant: bool) -> np.ndarray:
    """The values, NaN where they are zero up to rounding."""
    return np.where((values > _ROUNDING * whole) & (not constant), values, np.nan)


def _constant(values: np.ndarray) -> bool:
    return bool(np.ptp(values) <= _ROUNDING * np.abs(values).max())


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
