"""Ridge regression on frozen features, in closed form, with a penalty chosen on held-out rows."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Int, Real

from jcl.errors import UserError
from jcl.probes.checks import check_features, check_same_width, check_targets
from jcl.probes.linear import holds_out
from jcl.probes.regression_scores import regions, regression_scores
from jcl.probes.standardise import column_statistics

L2_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)

_PATIENCE = 2  # weaker penalties in a row that may be no better
_ROWS = 4096  # in float64 at a time


def ridge_probe(
    train_features: Float[Array | np.ndarray, "n D"],
    train_targets: Real[Array | np.ndarray, " n"],
    test_features: Float[Array | np.ndarray, "m D"],
    test_targets: Real[Array | np.ndarray, " m"],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    l2_grid: Sequence[float] = L2_GRID,
    held_out: float = 0.1,
    bin_width: float = 1.0,
    resamples: int = 1000,
) -> dict:
    """Errors and correlations of ridge regression on standardised features.

    This is the protocol of `linear_probe` for a continuous target. For each seed, a random part of
    the training rows is held out. The penalty with the lowest mean absolute error on this part is
    chosen (the larger one of ties), and the regression is fitted again on all training rows.
    Penalties are tried from the strongest on, until two in a row are no better than the best. Test
    rows do not influence the choice. Seeds that choose the same l2 have the same final fit.
    `mae_std` therefore shows only the effect of the choice of l2, and is often 0.

    The objective is `mean squared error / 2 + l2/2 |w|^2`, with an intercept without penalty:
    scikit-learn's `Ridge(alpha=l2 * n)`. It is solved in float64 on the host, by one Cholesky
    factorisation per penalty of the smaller of the two Gram matrices. (With 3,072 columns, all
    seven cost less than one eigendecomposition.) Memory is a few times min(n, D)^2, and the
    features.

    Args:
        train_features: float [n, D]. Standardised by the statistics of the rows fitted on; a
            constant column becomes zero.
        train_targets: [n], finite.
        test_features: float [m, D].
        test_targets: [m], finite.
        seeds: each draws one held-out part.
        l2_grid: positive penalties.
        held_out: fraction of the training rows to hold out, in (0, 1).
        bin_width: of `regions`, in units of the target.
        resamples: of the bootstrap intervals.

    Returns:
        What `regression_scores` returns for the final fits, which are means over seeds, and
        "mae_std": population standard deviation over seeds, "regions": means over seeds, "l2":
        chosen value of each seed, "held_out_mae": its error on the held-out part, for each seed,
        "seeds", "l2_grid", "held_out".

    Raises:
        UserError: an argument out of its range, or features and targets that do not match.
    """
    check_features("Train features", train_features)
    check_features("Test features", test_features)
    check_same_width(train_features, test_features)
    n = len(train_features)
    check_targets("Train targets", train_targets, n=n)
    check_targets("Test targets", test_targets, n=len(test_features))
    if not seeds:
        raise UserError("The ridge probe needs at least one seed.")
    if not l2_grid or not all(0 < l2 < np.inf for l2 in l2_grid):
        raise UserError(f"l2_grid must hold positive penalties, not {tuple(l2_grid)}.")
    n_held_out = round(held_out * n)
    if not holds_out(n, held_out):
        raise UserError(f"held_out={held_out} leaves one side of {n} training rows empty.")

    train = _Rows(train_features, train_targets)
    path = sorted(set(map(float, l2_grid)), reverse=True)
    chosen, held_out_mae = [], []
    for seed in seeds:
        held = np.random.default_rng(seed).permutation(n) < n_held_out
        errors = []
        for fit in train.fits(~held, path):
            predicted = fit.predict(train.features[held])
            errors.append(float(np.abs(predicted - train.targets[held]).mean()))
            best = int(np.argmin(errors))  # the first one of ties, so the strongest
            if len(errors) > best + _PATIENCE:
                break
        chosen.append(path[best])
        held_out_mae.append(errors[best])

    distinct = list(dict.fromkeys(chosen))
    fits = train.fits(np.ones(n, bool), distinct)
    final = np.stack([fit.predict(np.asarray(test_features)) for fit in fits])
    predicted = final[[distinct.index(l2) for l2 in chosen]]
    test_targets = np.asarray(test_targets, np.float64)
    return {
        **regression_scores(predicted, test_targets, resamples=resamples),
        "mae_std": float(np.std(np.abs(predicted - test_targets).mean(1))),
        "regions": regions(predicted, test_targets, train_targets, bin_width=bin_width),
        "l2": chosen,
        "held_out_mae": held_out_mae,
        "seeds": [int(seed) for seed in seeds],
        "l2_grid": [float(l2) for l2 in l2_grid],
        "held_out": float(held_out),
    }


class _Fit(NamedTuple):
    """A linear function of standardised features."""

    weights: Float[np.ndarray, " D"]
    intercept: float
    mean: Float[np.ndarray, " D"]
    std: Float[np.ndarray, " D"]

    def predict(self, features: Float[np.ndarray, "m D"]) -> Float[np.ndarray, " m"]:
        blocks = [
            (features[start : start + _ROWS] - self.mean) / self.std @ self.weights
            for start in range(0, len(features), _ROWS)
        ]
        return np.concatenate(blocks) + self.intercept


class _Sums(NamedTuple):
    """Sums over rows of z, y, z z' and z y; z and y are features and targets, both centred."""

    z: Float[np.ndarray, " D"]
    y: Float[np.ndarray, ""] | float
    zz: Float[np.ndarray, "D D"]
    zy: Float[np.ndarray, " D"]


class _Rows:
    """Training rows and their sums; the sums over a part are computed by subtraction."""

    def __init__(self, features, targets):
        self.features = np.asarray(features)
        self.targets = np.asarray(targets, np.float64)
        # Approximately standardised, so that the subtraction loses no digits.
        everything = np.ones(len(self.features), bool)
        self.centre, self.scale = column_statistics(self.features, everything)
        self.centred_targets = self.targets - self.targets.mean()
        self._total = None

    def fits(self, used: Bool[np.ndarray, " n"], penalties: Sequence[float]) -> Iterator[_Fit]:
        """Ridge regressions on the used rows, one per penalty, computed one at a time."""
        n, width = int(used.sum()), self.features.shape[1]
        mean, std = self.centre, self.scale
        if not used.all():
            mean, std = column_statistics(self.features, used)
        intercept = float(self.targets[used].mean())
        if n < width:
            x = (self.features[used] - mean) / std
            gram, right = x @ x.T, self.targets[used] - intercept
            for penalty in penalties:
                yield _Fit(x.T @ _solve(gram, right, n * penalty), intercept, mean, std)
            return
        sums = self._sums_over(used)
        # Standardised features are (z + shift) * ratio, and sum to zero.
        shift, ratio = (self.centre - mean) / self.scale, self.scale / std
        gram = (sums.zz - n * np.outer(shift, shift)) * np.outer(ratio, ratio)
        cross = (sums.zy + shift * sums.y) * ratio
        for penalty in penalties:
            yield _Fit(_solve(gram, cross, n * penalty), intercept, mean, std)

    def _sums_over(self, used: Bool[np.ndarray, " n"]) -> _Sums:
        if self._total is None:
            self._total = self._sum(np.arange(len(used)))
        if used.all():
            return self._total
        left_out = self._sum(np.flatnonzero(~used))
        return _Sums(*(a - b for a, b in zip(self._total, left_out, strict=True)))

    def _sum(self, rows: Int[np.ndarray, " r"]) -> _Sums:
        width = self.features.shape[1]
        sums = _Sums(np.zeros(width), np.zeros(()), np.zeros((width, width)), np.zeros(width))
        for start in range(0, len(rows), _ROWS):
            block = rows[start : start + _ROWS]
            z = (self.features[block] - self.centre) / self.scale
            y = self.centred_targets[block]
            for total, part in zip(sums, (z.sum(0), y.sum(), z.T @ z, z.T @ y), strict=True):
                total += part
        return sums


def _solve(
    gram: Float[np.ndarray, "d d"], right: Float[np.ndarray, " d"], penalty: float
) -> Float[np.ndarray, " d"]:
    """`(gram + penalty I)^-1 right`."""
    from scipy.linalg import cho_factor, cho_solve  # slow to import
    from threadpoolctl import threadpool_limits

    # In Fortran order, as LAPACK needs it, so that it is not copied again.
    penalised = gram.T.copy(order="F")
    penalised[np.diag_indices_from(penalised)] += penalty
    # With 3,072 columns one thread takes half a second; two threads on a busy machine up to nine.
    with threadpool_limits(1, user_api="blas"):
        factor = cho_factor(penalised, overwrite_a=True, check_finite=False)
    return cho_solve(factor, right, check_finite=False)
