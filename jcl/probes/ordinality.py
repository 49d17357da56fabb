"""Rank correlation of the distances of features and of targets."""

import numpy as np
from jaxtyping import Array, Float, Int, Real

from jcl.probes.checks import check_features, check_targets


def ordinality(
    features: Float[Array | np.ndarray, "n D"],
    targets: Real[Array | np.ndarray, " n"],
    *,
    max_rows: int = 1000,
) -> float | None:
    """Rank correlation of distances between features and between targets, in [-1, 1].

    This is Spearman's correlation, over all pairs of rows, between the Euclidean distance of unit
    features and the absolute difference of the targets. Rank-N-Contrast (Zha et al., NeurIPS 2023)
    and SupReMix (Wu et al., 2023) aim to raise it.

    Args:
        features: float [n, D], normalised here.
        targets: [n].
        max_rows: largest number of rows; if there are more, evenly spaced ones are compared.

    Returns:
        The correlation, or None if all distances or all differences are equal, as with fewer than
        three rows.

    Raises:
        UserError: features and targets that do not match.
    """
    from scipy.spatial.distance import pdist  # slow to import
    from scipy.stats import spearmanr

    check_features("Features", features)
    check_targets("Targets", targets, n=len(features))
    if len(features) < 3:
        return None
    rows = evenly_spaced(len(features), max_rows)
    x = np.asarray(features, np.float64)[rows]
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    distances = pdist(x)
    differences = pdist(np.asarray(targets, np.float64)[rows, None])
    # Distances of unit rows below this are rounding errors.
    if np.ptp(distances) <= 1e-7 or np.ptp(differences) == 0:
        return None
    return float(spearmanr(distances, differences).statistic)


def evenly_spaced(n: int, most: int) -> Int[np.ndarray, " m"]:
    """`most` evenly spaced indices of n rows, in order; all rows if there are no more."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))
