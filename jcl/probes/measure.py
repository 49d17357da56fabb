"""All probes of one set of features that its labels and targets allow."""

from collections.abc import Sequence

import numpy as np

from jcl.probes.anomaly import anomaly_scores
from jcl.probes.episodes import episodes
from jcl.probes.extract import Features
from jcl.probes.knn import knn_top1
from jcl.probes.knn_regression import knn_target_scores
from jcl.probes.linear import L2_GRID, holds_out, linear_probe
from jcl.probes.low_shot import low_shot
from jcl.probes.multi_label import multi_label_probe
from jcl.probes.opta import opta
from jcl.probes.regression_scores import SCORES
from jcl.probes.ridge import ridge_probe
from jcl.probes.similarity import tree_scores
from jcl.probes.sts import sts

# A few examples are linearly separable. The weakest penalties would take longest and are not
# chosen.
LOW_SHOT_L2_GRID = L2_GRID[2:]


def measure(
    train_features: Features,
    test_features: Features,
    *,
    n_classes: int | None,
    k: int,
    temperature: float,
    seeds: Sequence[int],
    shares: Sequence[float],
    bin_width: float,
) -> dict[str, dict]:
    """Probes fitted on the features of one split and scored on those of another.

    Args:
        train_features: of the training split.
        test_features: of the test split.
        n_classes: None without labels.
        k: neighbours of kNN, at most the number of training examples.
        temperature: of their weights.
        seeds: of the linear and ridge probes.
        shares: of the training examples, for low-shot probes.
        bin_width: of the targets' many-, medium- and few-shot regions.

    Returns:
        With labels "knn": {"top1", ..} and "linear": {"top1", .., "low_shot": {..}}; with targets
        "knn": {"mae", ..} and "ridge": {"mae", .., "low_shot": {..}}; with both, all of these.
        Keys that only one split has do not count, and neither do labels of a single class. Linear,
        ridge and multi-label probes need six training examples, to hold one out. See `knn_top1`,
        `knn_target_scores`, `linear_probe`, `ridge_probe`, `low_shot`. Low-shot linear probes
        choose from `LOW_SHOT_L2_GRID`; "low_shot" is there if shares are given.
        Further scores are "episodes" and "opta" if test labels have enough classes, and
        "multi_label" if examples have multi-hot `labels`. For the test split there are "anomaly"
        with `outlier`, "tree" with `path`, and "sts" with `sts_pair` and `sts_score`. Without any
        of these the result is {}.

    Raises:
        jcl.errors.UserError: features, labels or targets that do not match.
    """
    n = len(train_features.features)
    neighbours = {"k": min(k, n), "temperature": temperature}
    scores: dict[str, dict] = {}
    train_labelled, test_labelled = train_features.labelled(), test_features.labelled()
    if (
        n_classes is not None
        and train_labelled.label is not None
        and test_labelled.label is not None
        and len(np.unique(train_labelled.label)) > 1
    ):
        test = test_labelled.features, test_labelled.label

        def linear(rows, seed):
            train = train_labelled.features[rows], train_labelled.label[rows]
            options = {"n_classes": n_classes, "seeds": (seed,), "l2_grid": LOW_SHOT_L2_GRID}
            return linear_probe(*train, *test, **options)

        labelled = train_labelled.features, train_labelled.label, *test
        near = {**neighbours, "k": min(k, len(train_labelled.features))}
        scores["knn"] = knn_top1(*labelled, n_classes=n_classes, **near)
        can_hold_out = holds_out(len(train_labelled.features))
        if can_hold_out:
            scores["linear"] = linear_probe(*labelled, n_classes=n_classes, seeds=seeds)
        if shares and can_hold_out:
            scores["linear"]["low_shot"] = low_shot(
                linear,
                shares,
                n=len(train_labelled.features),
                label=train_labelled.label,
                seeds=seeds,
                names=("top1",),
            )
    if train_features.target is not None and test_features.target is not None:
        test = test_features.features, test_features.target

        def ridge(rows, seed):
            train = train_features.features[rows], train_features.target[rows]
            return ridge_probe(*train, *test, seeds=(seed,), resamples=0, bin_width=bin_width)

        targeted = train_features.features, train_features.target, *test
        regression = knn_target_scores(*targeted, bin_width=bin_width, **neighbours)
        scores["knn"] = scores.get("knn", {}) | regression
        if holds_out(n):
            scores["ridge"] = ridge_probe(*targeted, seeds=seeds, bin_width=bin_width)
        if shares and holds_out(n):
            scores["ridge"]["low_shot"] = low_shot(ridge, shares, n=n, seeds=seeds, names=SCORES)
    has_classes = n_classes is not None
    return scores | _further(train_features, test_features, has_classes=has_classes)


def _further(train: Features, test: Features, *, has_classes: bool) -> dict[str, dict]:
    """Scores that need keys which few datasets have."""
    scores = {}
    if has_classes and train.label is not None and test.label is not None:
        scores["episodes"] = episodes(test.features, test.label)
        scores["opta"] = opta(test.features, test.label)
    if "labels" in train.known and "labels" in test.known and holds_out(len(train.features)):
        labelled = ((split.features, split.known["labels"]) for split in (train, test))
        scores["multi_label"] = multi_label_probe(*next(labelled), *next(labelled))
    if len(np.unique(test.known.get("outlier", 0))) > 1:
        inliers = train.known.get("outlier", np.zeros(len(train.features))) == 0
        scores["anomaly"] = anomaly_scores(
            train.features[inliers], test.features, test.known["outlier"]
        )
    if {"sts_pair", "sts_score"} <= test.known.keys():
        scores["sts"] = sts(test.features, test.known["sts_pair"], test.known["sts_score"])
    if "path" in test.known and len(test.features) > 1:
        scores["tree"] = tree_scores(test.features, test.known["path"])
    return {name: found for name, found in scores.items() if found}
