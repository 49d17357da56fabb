"""Agreement of the similarity of features with given similarities of examples."""

import numpy as np
from jaxtyping import Array, Float, Int, Real

from jcl.errors import UserError
from jcl.probes.checks import check_features, check_same_width, check_targets
from jcl.probes.ordinality import evenly_spaced
from jcl.probes.unit import unit

_BLOCK = 128  # rows compared with all others at a time


def similarity_spearman(
    left: Float[Array | np.ndarray, "n D"],
    right: Float[Array | np.ndarray, "n D"],
    similarity: Real[Array | np.ndarray, " n"],
) -> float | None:
    """Spearman's correlation of the pairs' cosines with their given similarities, in [-1, 1].

    This is the score of semantic textual similarity (Gao et al., "SimCSE", EMNLP 2021, section
    6.1). `ordinality` is for continuous targets, with which all pairs are compared.

    Args:
        left: float [n, D].
        right: float [n, D]; row i is compared with row i of left.
        similarity: [n].

    Returns:
        The correlation, or None if all cosines or all similarities are equal.

    Raises:
        UserError: arguments that do not match.
    """
    from scipy.stats import spearmanr  # slow to import

    check_features("Features", left)
    check_features("Features", right)
    check_same_width(left, right)
    check_targets("Similarities", similarity, n=len(left))
    cosines = np.sum(unit(left) * unit(right), axis=1)
    if np.ptp(cosines) <= 1e-7 or np.ptp(np.asarray(similarity)) == 0:  # rounding, of unit rows
        return None
    return float(spearmanr(cosines, np.asarray(similarity)).statistic)


def ndcg(
    features: Float[Array | np.ndarray, "n D"],
    path: Int[Array | np.ndarray, "n depth"],
    *,
    k: int = 10,
    max_queries: int = 1000,
) -> float:
    """Mean nDCG@k with each row as a query for the others by cosine, in [0, 1].

    The relevance of another row is the number of levels of the tree that both paths share
    (`shared_path`). The gain is the relevance, not 2^relevance - 1 (Järvelin & Kekäläinen,
    "Cumulated Gain-Based Evaluation of IR Techniques", 2002). Tied cosines share their gain.

    Args:
        features: float [n, D], two rows or more.
        path: integer [n, depth], from the root to the leaf.
        k: number of nearest rows that count.
        max_queries: largest number of queries; if there are more rows, evenly spaced ones are
            queries. All rows can be found.

    Raises:
        UserError: arguments that do not fit.
    """
    from sklearn.metrics import ndcg_score  # slow to import

    path = _checked_path(features, path)
    if len(features) < 2:
        raise UserError("nDCG needs two rows or more.")
    x, total = unit(features), 0.0
    rows = evenly_spaced(len(x), max_queries)
    for asking in np.array_split(rows, -(-len(rows) // _BLOCK)):
        others = np.arange(len(x)) != asking[:, None]
        relevance, cosines = (
            values[others].reshape(len(asking), -1)
            for values in (shared_path(path[asking], path), x[asking] @ x.T)
        )
        total += ndcg_score(relevance, cosines, k=k) * len(asking)
    return float(total / len(rows))


def tree_scores(
    features: Float[Array | np.ndarray, "n D"], path: Int[Array | np.ndarray, "n depth"]
) -> dict[str, float | None]:
    """Agreement of the cosines of rows with a tree whose leaves are the rows.

    Args:
        features: float [n, D].
        path: integer [n, depth], from the root to the leaf.

    Returns:
        {"spearman": over all pairs of up to 1,000 evenly spaced rows, "ndcg10": see `ndcg`}.

    Raises:
        UserError: arguments that do not fit.
    """
    from scipy.stats import spearmanr  # slow to import

    path = _checked_path(features, path)
    rows = evenly_spaced(len(path), 1000)
    i, j = np.triu_indices(len(rows), 1)
    x, ways = unit(features)[rows], path[rows]
    cosines, similarity = (x @ x.T)[i, j], shared_path(ways, ways)[i, j]
    defined = len(i) > 1 and np.ptp(cosines) > 1e-7 and np.ptp(similarity) > 0
    spearman = float(spearmanr(cosines, similarity).statistic) if defined else None
    return {"spearman": spearman, "ndcg10": ndcg(features, path)}


def shared_path(
    left: Int[np.ndarray, "n depth"], right: Int[np.ndarray, "m depth"]
) -> Int[np.ndarray, "n m"]:
    """The number of levels that each path on the left shares with each path on the right."""
    same = left[:, None] == right[None]
    return np.cumprod(same, axis=2).sum(2)


def _checked_path(features, path) -> Int[np.ndarray, "n depth"]:
    check_features("Features", features)
    path = np.asarray(path)
    if path.ndim != 2 or len(path) != len(features):
        raise UserError(f"There are {len(features)} feature rows but paths {path.shape}.")
    return path
