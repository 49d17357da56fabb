"""Weighted k-nearest-neighbour regression on frozen features."""

import numpy as np
from jaxtyping import Array, Float, Real

from jcl.probes.checks import check_targets
from jcl.probes.neighbours import neighbours
from jcl.probes.regression_scores import regions, regression_scores


def knn_predict_target(
    train_features: Float[Array | np.ndarray, "n D"],
    train_targets: Real[Array | np.ndarray, " n"],
    test_features: Float[Array | np.ndarray, "m D"],
    *,
    k: int = 20,
    temperature: float = 0.07,
    block_size: int | None = None,
) -> Float[np.ndarray, " m"]:
    """Predict the target of each test row from its k most similar training rows.

    The prediction is the mean of the neighbours' targets with the weights `exp(s / temperature)` of
    their cosines s, as in `knn_predict`. Search, memory and ties are those of `neighbours`.

    Args:
        train_features: float [n, D]; need not be normalised.
        train_targets: [n], finite.
        test_features: float [m, D].
        k: number of neighbours, at most n.
        temperature: of the weights, positive.
        block_size: test rows compared at a time; None picks one that needs about 128 MiB.

    Returns:
        float64 [m].

    Raises:
        UserError: as `neighbours`, or targets that do not match.
    """
    index, weights = neighbours(
        train_features, test_features, k=k, temperature=temperature, block_size=block_size
    )
    check_targets("Train targets", train_targets, n=len(train_features))
    weights = np.asarray(weights, np.float64)
    targets = np.asarray(train_targets, np.float64)[np.asarray(index)]
    return np.sum(weights * targets, axis=1) / np.sum(weights, axis=1)


def knn_target_scores(
    train_features: Float[Array | np.ndarray, "n D"],
    train_targets: Real[Array | np.ndarray, " n"],
    test_features: Float[Array | np.ndarray, "m D"],
    test_targets: Real[Array | np.ndarray, " m"],
    *,
    k: int = 20,
    temperature: float = 0.07,
    bin_width: float = 1.0,
    block_size: int | None = None,
) -> dict:
    """Scores of `knn_predict_target`, with its settings.

    Args and errors are those of `knn_predict_target`; `test_targets` are [m], `bin_width` that of
    `regions`.

    Returns:
        What `regression_scores` returns, "regions", and {"k", "temperature", "metric": "cosine"}.
    """
    check_targets("Test targets", test_targets, n=len(test_features))
    predicted = knn_predict_target(
        train_features,
        train_targets,
        test_features,
        k=k,
        temperature=temperature,
        block_size=block_size,
    )
    return {
        **regression_scores(predicted, test_targets),
        "regions": regions(predicted, test_targets, train_targets, bin_width=bin_width),
        "k": k,
        "temperature": float(temperature),
        "metric": "cosine",
    }
