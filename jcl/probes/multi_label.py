"""Linear evaluation where an example has any number of classes."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from jcl.errors import UserError
from jcl.probes import logistic
from jcl.probes.checks import check_features, check_same_width
from jcl.probes.linear import L2_GRID
from jcl.probes.standardise import column_statistics


def mean_average_precision(
    scores: Float[Array | np.ndarray, "m C"], labels: UInt8[Array | np.ndarray, "m C"]
) -> float | None:
    """The mean over classes of the average precision of their examples, ranked by score.

    It is not interpolated (scikit-learn's `average_precision_score`). Classes without an example
    are left out; the result is None if no class has one.
    """
    from sklearn.metrics import average_precision_score  # slow to import

    labels = np.asarray(labels) != 0  # scikit-learn would take 255 for no class
    there = labels.any(0)
    if not there.any():
        return None
    return float(average_precision_score(labels[:, there], np.asarray(scores)[:, there]))


def multi_label_probe(
    train_features: Float[Array | np.ndarray, "n D"],
    train_labels: UInt8[Array | np.ndarray, "n C"],
    test_features: Float[Array | np.ndarray, "m D"],
    test_labels: UInt8[Array | np.ndarray, "m C"],
    *,
    l2_grid: Sequence[float] = L2_GRID,
    held_out: float = 0.1,
    seed: int = 0,
    max_iterations: int = 500,
) -> dict:
    """MAP of one logistic regression per class against the rest, on standardised features.

    All classes have one penalty, the one with the highest mAP on a held-out part of the training
    rows (the larger one of ties). The classifiers are then fitted on all training rows.

    Args:
        train_features: float [n, D].
        train_labels: uint8 [n, C], 1 where an example has the class.
        test_features: float [m, D].
        test_labels: uint8 [m, C].
        l2_grid: positive penalties, of `mean cross-entropy + l2/2 |W|^2`, W being [D, 2] of a
            softmax over "has not" and "has": scikit-learn's `LogisticRegression(C=2 / (l2 * n))`
            of each class.
        held_out: fraction of the training rows to hold out, in (0, 1).
        seed: of the held-out part.
        max_iterations: limit of one L-BFGS fit.

    Returns:
        {"map": x, "l2": chosen, "held_out_map": on the held-out part}; None if no class has an
        example.

    Raises:
        UserError: arguments that do not match, or are out of their range.
    """
    check_features("Train features", train_features)
    check_features("Test features", test_features)
    check_same_width(train_features, test_features)
    n, classes = len(train_features), np.shape(train_labels)[-1]
    for labels, rows in ((train_labels, n), (test_labels, len(test_features))):
        if np.shape(labels) != (rows, classes):
            raise UserError(f"Multi-hot labels must be [{rows}, {classes}], not {labels.shape}.")
    n_held_out = round(held_out * n)
    if not 0 < n_held_out < n:
        raise UserError(f"held_out={held_out} leaves one side of {n} training rows empty.")
    if not l2_grid or not all(0 < l2 < np.inf for l2 in l2_grid):
        raise UserError(f"l2_grid must hold positive penalties, not {tuple(l2_grid)}.")
    labels = np.asarray(train_labels)
    held = np.random.default_rng(seed).permutation(n) < n_held_out
    with jax.enable_x64(False):  # as `linear_probe`
        targets = jnp.asarray((labels != 0).T, jnp.int32)
        fit = partial(_fit, targets=targets, max_iterations=max_iterations)
        train = np.asarray(train_features, np.float32)
        mean, std = (x.astype(np.float32) for x in column_statistics(train, ~held))
        x = jnp.asarray(((train - mean) / std).T)
        models = jax.vmap(lambda _: logistic.uniform_logistic(len(x), 2))(targets)
        found = {}
        for l2 in sorted(set(map(float, l2_grid)), reverse=True):
            models = fit(x, ~held, l2, models)
            found[l2] = mean_average_precision(_margins(models, x)[held], labels[held]), models
        best = max(found, key=lambda l2: found[l2][0] or 0.0)  # the first one of ties
        mean, std = (x.astype(np.float32) for x in column_statistics(train, np.ones(n, bool)))
        x = jnp.asarray(((train - mean) / std).T)
        models = fit(x, np.ones(n, bool), best, found[best][1])
        margins = _margins(models, jnp.asarray(((np.asarray(test_features) - mean) / std).T))
    return {
        "map": mean_average_precision(margins, test_labels),
        "l2": best,
        "held_out_map": found[best][0],
    }


@partial(jax.jit, static_argnames="max_iterations")
def _fit(x, used, l2, models, *, targets, max_iterations):
    """One classifier per row of targets [C, n]; they share a preconditioner."""
    main = logistic.spectrum(x)

    def one(labels, model):
        weights, penalty = used.astype(jnp.float32), jnp.float32(l2)
        return logistic.fit_logistic(
            x, labels, weights, penalty, model, main, max_iterations=max_iterations
        )

    return jax.vmap(one)(targets, models)


def _margins(models, x) -> Float[np.ndarray, "n C"]:
    """Logits of "has" minus those of "has not", [n, C]."""
    weights = models.weights[..., 1] - models.weights[..., 0]
    bias = models.bias[:, 1] - models.bias[:, 0]
    return np.asarray(jnp.matmul(weights, x, precision=logistic.HIGHEST).T + bias)
