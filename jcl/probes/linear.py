"""Linear evaluation: logistic regression on frozen features with a held-out choice of penalty."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from jaxtyping import Array, Float, Int

from jcl.errors import UserError
from jcl.probes import logistic
from jcl.probes.checks import check_features, check_labels, check_same_width
from jcl.probes.class_scores import class_scores, is_unbalanced
from jcl.probes.standardise import column_statistics

L2_GRID = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def holds_out(n: int, held_out: float = 0.1) -> bool:
    """Whether holding out this share of n training rows leaves neither side empty."""
    return 0 < round(held_out * n) < n


def linear_probe(
    train_features: Float[Array | np.ndarray, "n D"],
    train_labels: Int[Array | np.ndarray, " n"],
    test_features: Float[Array | np.ndarray, "m D"],
    test_labels: Int[Array | np.ndarray, " m"],
    *,
    n_classes: int,
    seeds: Sequence[int] = (0, 1, 2),
    l2_grid: Sequence[float] = L2_GRID,
    held_out: float = 0.1,
    max_iterations: int = 500,
) -> dict:
    """Top-1 accuracy of L-BFGS logistic regression on standardised features.

    This is the protocol of SimCLR (Chen et al. 2020, appendix B.8) and of Kornblith et al. ("Do
    Better ImageNet Models Transfer Better?", CVPR 2019). For each seed, a random part of the
    training rows is held out. The l2 penalty with the highest accuracy on this part is chosen (the
    larger one of ties), and the classifier is fitted again on all training rows. Test rows do not
    influence the choice.

    The objective is convex, so seeds that choose the same l2 have the same final fit and score.
    `top1_std` therefore shows only the effect of the choice of l2, and is often 0.

    Args:
        train_features: float [n, D]. Standardised by the statistics of the rows fitted on; a
            constant column becomes zero.
        train_labels: integer [n], in [0, n_classes).
        test_features: float [m, D].
        test_labels: integer [m], in [0, n_classes).
        n_classes: number of classes.
        seeds: each draws one held-out part.
        l2_grid: positive penalties of `mean cross-entropy + l2/2 |W|^2`.
        held_out: fraction of the training rows to hold out, in (0, 1).
        max_iterations: limit of one L-BFGS fit; reaching it is logged and makes `converged` False.

    Returns:
        {"top1": mean over seeds, "top1_std": population standard deviation over seeds, "l2": chosen
        value of each seed, "held_out_top1": its accuracy on the held-out part, for each seed,
        "seeds", "l2_grid", "held_out", "iterations": of the final fit of each seed, "converged":
        whether all fits converged}, and what `class_scores` returns if the training labels are
        unbalanced. Accuracies are fractions.

    Raises:
        UserError: an argument out of its range, or features and labels that do not match.
    """
    check_features("Train features", train_features)
    check_features("Test features", test_features)
    check_same_width(train_features, test_features)
    n = len(train_features)
    check_labels("Train labels", train_labels, n=n, n_classes=n_classes)
    check_labels("Test labels", test_labels, n=len(test_features), n_classes=n_classes)
    if not seeds:
        raise UserError("The linear probe needs at least one seed.")
    if not l2_grid or not all(0 < l2 < np.inf for l2 in l2_grid):
        raise UserError(f"l2_grid must hold positive penalties, not {tuple(l2_grid)}.")
    n_held_out = round(held_out * n)
    if not holds_out(n, held_out):
        raise UserError(f"held_out={held_out} leaves one side of {n} training rows empty.")
    with jax.enable_x64(False):  # optax's line search uses JAX's default dtype; here it is float32
        return {
            **_fit_and_score(
                *(train_features, train_labels, test_features, test_labels),
                n_classes=n_classes,
                seeds=seeds,
                l2_grid=l2_grid,
                n_held_out=n_held_out,
                max_iterations=max_iterations,
            ),
            "seeds": [int(seed) for seed in seeds],
            "l2_grid": [float(l2) for l2 in l2_grid],
            "held_out": float(held_out),
        }


def _fit_and_score(
    train_features,
    train_labels,
    test_features,
    test_labels,
    *,
    n_classes: int,
    seeds: Sequence[int],
    l2_grid: Sequence[float],
    n_held_out: int,
    max_iterations: int,
) -> dict:
    n = len(train_features)
    train = np.asarray(train_features, np.float32)
    labels = jnp.asarray(train_labels, jnp.int32)
    everything = np.ones(n, bool)
    train_x, shift, scale = _standardise(train, everything)
    # One preconditioner for all fits, also those on parts of the rows: it only affects their speed.
    main = logistic.spectrum(train_x)

    def fit(x, used, l2, init):
        weights = jnp.asarray(used, jnp.float32)
        return logistic.fit_logistic(
            x, labels, weights, jnp.float32(l2), init, main, max_iterations=max_iterations
        )

    # From strong to weak penalties: each fit starts close to where it ends.
    path = sorted(set(map(float, l2_grid)), reverse=True)
    chosen, held_out_top1, unconverged = [], [], 0
    start = {}  # l2 -> the fit on a part of the rows, from which the final fit starts
    for seed in seeds:
        held = np.random.default_rng(seed).permutation(n) < n_held_out
        x, _, _ = _standardise(train, ~held)
        model = logistic.uniform_logistic(train.shape[1], n_classes)
        scores = []
        for l2 in path:
            model = start[l2] = fit(x, ~held, l2, model)
            unconverged += not model.converged
            hit = np.asarray(logistic.predict(model, x) == labels)
            scores.append(float(hit[held].mean()))
        best = int(np.argmax(scores))  # the first one of ties, so the strongest
        chosen.append(path[best])
        held_out_top1.append(scores[best])

    test_x = jnp.asarray(((np.asarray(test_features, np.float32) - shift) / scale).T)
    final = {}  # l2 -> (predicted test labels, iterations)
    for l2 in dict.fromkeys(chosen):
        model = fit(train_x, everything, l2, start[l2])
        unconverged += not model.converged
        final[l2] = np.asarray(logistic.predict(model, test_x)), int(model.iterations)
    if unconverged:
        logging.warning(
            "Linear probe: %d fits stopped at the limit of %d iterations.",
            unconverged,
            max_iterations,
        )
    predicted = np.stack([final[l2][0] for l2 in chosen])
    top1 = (predicted == np.asarray(test_labels)).mean(1)
    unbalanced = is_unbalanced(train_labels)
    return {
        **(class_scores(predicted, test_labels, train_labels) if unbalanced else {}),
        "top1": float(np.mean(top1)),
        "top1_std": float(np.std(top1)),
        "l2": chosen,
        "held_out_top1": held_out_top1,
        "iterations": [final[l2][1] for l2 in chosen],
        "converged": not unconverged,
    }


def _standardise(features: np.ndarray, used: np.ndarray):
    """Standardises all rows by the mean and deviation of the used rows; also returns these.

    Returns:
        float32 [D, n] on the device, mean [D], deviation [D] (1 for a constant column).
    """
    mean, std = column_statistics(features, used)
    mean, std = mean.astype(np.float32), std.astype(np.float32)
    return jnp.asarray(((features - mean) / std).T), mean, std
