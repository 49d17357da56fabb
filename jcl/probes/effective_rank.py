"""Collapse of features: the number of directions that they use, and their spread."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array, Float

from jcl.probes.checks import check_features
from jcl.probes.unit import unit

# Added to every normalised singular value, as in the paper.
_EPSILON = 1e-7
_ROWS = 4096  # in float64 at a time

# If the rank or the spread is below these, features have collapsed: see `collapse`.
LEAST_RANK = 1.5
LEAST_SPREAD = 0.05


def effective_rank(features: Float[Array | np.ndarray, "n D"]) -> float | None:
    """The effective number of directions of features, from 1 to about min(n, D).

    This is RankMe: exp of the entropy of p_k = s_k / sum s + 1e-7, with s_k the singular values of
    the features, which are neither centred nor normalised (Garrido et al., "RankMe: Assessing the
    Downstream Performance of Pretrained Self-Supervised Representations by Their Rank", ICML 2023,
    Eq. 1 and 2). RankMe does not detect features with many directions of tiny variation; `spread`
    does.

    The singular values are square roots of the eigenvalues of the smaller Gram matrix, in float64.
    Those below 1e-8 of the largest are rounding errors, and smaller than the epsilon.

    Args:
        features: float [n, D].

    Returns:
        The rank, or None if all features are zero.

    Raises:
        UserError: not a finite matrix.
    """
    from threadpoolctl import threadpool_limits

    check_features("Features", features)
    x = np.asarray(features)
    x = x if x.shape[0] >= x.shape[1] else x.T
    gram = np.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), _ROWS):
        rows = x[start : start + _ROWS].astype(np.float64)
        gram += rows.T @ rows
    with threadpool_limits(1, user_api="blas"):  # several threads are slow on a busy machine
        singular = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0))
    if not singular.any():
        return None
    shares = singular / singular.sum() + _EPSILON
    return float(np.exp(-np.sum(shares * np.log(shares))))


def spread(features: Float[Array | np.ndarray, "n D"]) -> float:
    """Mean over dimensions of the standard deviation of unit features, times sqrt(D), in [0, 1].

    It is 1 for directions uniform on the sphere, and 0 for equal features (Chen & He, "Exploring
    Simple Siamese Representation Learning", CVPR 2021, figure 2, scaled). During training, methods
    of two views log it for a batch as `embedding_spread`.

    Args:
        features: float [n, D], normalised here.

    Raises:
        UserError: not a finite matrix.
    """
    check_features("Features", features)
    deviations = unit(features).std(0)
    return float(deviations.mean() * len(deviations) ** 0.5)


def rank_and_spread(features: Float[Array | np.ndarray, "n D"]) -> dict[str, float | int | None]:
    """{"effective_rank", "spread", "width": D}, the input of `collapse`."""
    measured = {"effective_rank": effective_rank(features), "spread": spread(features)}
    return {**measured, "width": features.shape[1]}


def collapse(name: str, geometry: Mapping[str, float | None]) -> str | None:
    """A sentence that says that features have collapsed and what to try; None if they have not.

    Features have collapsed if their effective rank is below 1.5 in three or more dimensions, or
    their spread is below 0.05: they are then nearly one direction.

    Args:
        name: of the features, such as "projection".
        geometry: their `effective_rank`, `spread` and number of dimensions, `width`. Older results
            have none of these; the result is then None.
    """
    if "width" not in geometry:
        return None
    rank, width = geometry["effective_rank"] or 0, geometry["width"]
    if geometry["spread"] >= LEAST_SPREAD and (rank >= LEAST_RANK or width <= 2):
        return None
    return (
        f"the output {name!r} has collapsed: of {width} dimensions it uses {rank:.2g} "
        f"(geometry.effective_rank), with a spread of {geometry['spread']:.2g} (geometry.spread); "
        "try a lower optimizer.learning_rate or a warm-up, projector.norm=batch, stronger views, "
        "or another temperature"
    )
