"""Whether outliers lie far from all training examples."""

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jcl.errors import UserError
from jcl.probes.checks import check_targets
from jcl.probes.neighbours import neighbours
from jcl.probes.unit import unit


def largest_cosine(
    train_features: Float[Array | np.ndarray, "n D"],
    test_features: Float[Array | np.ndarray, "m D"],
) -> Float[np.ndarray, " m"]:
    """The cosine of each test row with its most similar training row.

    Search, memory and errors are those of `neighbours`.
    """
    index, _ = neighbours(train_features, test_features, k=1, temperature=1.0)
    rows = np.asarray(train_features)[np.asarray(index)[:, 0]]
    return np.sum(unit(rows) * unit(test_features), axis=1)


def anomaly_scores(
    train_features: Float[Array | np.ndarray, "n D"],
    test_features: Float[Array | np.ndarray, "m D"],
    outlier: Bool[Array | np.ndarray, " m"] | Int[Array | np.ndarray, " m"],
) -> dict[str, float]:
    """AUROC of the largest cosine with a training row; outliers should have small ones.

    This is the detector of Tack et al., "CSI: Novelty Detection via Contrastive Learning on
    Distributionally Shifted Instances" (NeurIPS 2020), section 2.2, without the norm. AUROC is the
    probability that a random outlier is less similar to the training rows than a random inlier;
    ties count half.

    Args:
        train_features: float [n, D], of inliers.
        test_features: float [m, D].
        outlier: [m], 0 or False for an inlier; both kinds must occur.

    Returns:
        {"auroc": x, "outliers": their number}.

    Raises:
        UserError: as `neighbours`, or `outlier` does not match the rows or has only one value.
    """
    from sklearn.metrics import roc_auc_score  # slow to import

    outlier = np.asarray(outlier) != 0
    check_targets("Outliers", outlier, n=len(test_features))
    if outlier.all() or not outlier.any():
        raise UserError("AUROC needs both outliers and inliers among the test examples.")
    similarity = largest_cosine(train_features, test_features)
    return {"auroc": float(roc_auc_score(outlier, -similarity)), "outliers": int(outlier.sum())}
