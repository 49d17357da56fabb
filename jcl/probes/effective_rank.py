"""Whether features have collapsed: how many directions they use, and how far they spread."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array, Float

from jcl.probes.checks import check_features
from jcl.probes.unit import unit

# Added to every share of the singular values, as in the paper.
_EPSILON = 1e-7
_ROWS = 4096  # in float64 at a time

# Below the first or the second, features are all but one direction: see `collapse`.
LEAST_RANK = 1.5
LEAST_SPREAD = 0.05


def effective_rank(features: Float[Array | np.ndarray, "n D"]) -> float | None:
    """The number of directions that features use evenly, from 1 to about min(n, D).

    RankMe: exp of the entropy of the shares p_k = s_k / sum s + 1e-7 of the singular values s_k of
    the features as they are, neither centred nor normalised (Garrido et al., "RankMe: Assessing the
    Downstream Performance of Pretrained Self-Supervised Representations by Their Rank", ICML 2023,
    Eq. 1 and 2). `spread` sees what this does not: many directions, each with next to nothing.

    The singular values are square roots of the eigenvalues of the smaller Gram matrix, in float64:
    one below 1e-8 of the largest is rounding, and weighs less than the epsilon.

    Args:
        features: float [n, D].

    Returns:
        The rank, or None where all features are zero.

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
    with threadpool_limits(1, user_api="blas"):  # on the cores of a busy machine, many times slower
        singular = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0))
    if not singular.any():
        return None
    shares = singular / singular.sum() + _EPSILON
    return float(np.exp(-np.sum(shares * np.log(shares))))


def spread(features: Float[Array | np.ndarray, "n D"]) -> float:
    """Mean over dimensions of the deviation of unit features, times sqrt(D), in [0, 1].

    1 for directions all over the sphere, 0 where all are the same (Chen & He, "Exploring Simple
    Siamese Representation Learning", CVPR 2021, figure 2, scaled). While training, methods of two
    views log the same of a batch as `embedding_spread`.

    Args:
        features: float [n, D], normalised here.

    Raises:
        UserError: not a finite matrix.
    """
    check_features("Features", features)
    deviations = unit(features).std(0)
    return float(deviations.mean() * len(deviations) ** 0.5)


def rank_and_spread(features: Float[Array | np.ndarray, "n D"]) -> dict[str, float | int | None]:
    """{"effective_rank", "spread", "width": D}: what `collapse` looks at."""
    measured = {"effective_rank": effective_rank(features), "spread": spread(features)}
    return {**measured, "width": features.shape[1]}


def collapse(name: str, geometry: Mapping[str, float | None]) -> str | None:
    """One sentence where features have collapsed, with what to try; None where they have not.

    They have where the effective rank is below 1.5 of three or more dimensions, or the spread below
    0.05: unit features that are one direction and a twentieth of something else.

    Args:
        name: of the features, such as "projection".
        geometry: of them: `effective_rank`, `spread` and the number of dimensions, `width`; older
            results have none of these, and nothing is said of them.
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
