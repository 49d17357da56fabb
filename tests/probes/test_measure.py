import json

import jax
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from jcl.probes import Features, linear_probe, measure
from jcl.probes.low_shot import choose_share
from jcl.probes.measure import LOW_SHOT_L2_GRID
from jcl.probes.ridge import ridge_probe
from tests.probes.blobs import blobs

OPTIONS = {"k": 5, "temperature": 0.07, "seeds": (0,), "bin_width": 1.0}


def split(seed, n=300):  # the shapes of test_linear.py, so that nothing is compiled again
    features, label = blobs(n, seed=seed)
    return Features(features, {"label": label, "target": features[:, 0] + features[:, 1]})


def without(features, *names):
    return features._replace(known={k: v for k, v in features.known.items() if k not in names})


def test_labels_and_targets_are_both_measured():
    scores = measure(split(0), split(1), n_classes=5, shares=(1.0,), **OPTIONS)
    assert set(scores) == {"knn", "linear", "ridge", "episodes", "opta"}
    assert {"top1", "mae", "mae_interval", "spearman", "regions", "k"} <= set(scores["knn"])
    low = scores["linear"]["low_shot"]["1"]
    assert low["examples"] == scores["ridge"]["low_shot"]["1"]["examples"] == 300
    assert 0.2 < low["top1"] <= 1
    # The target is a sum of two features.
    assert scores["ridge"]["low_shot"]["1"]["r2"] == pytest.approx(1, abs=1e-3)
    assert scores["ridge"]["mae"] < 0.01 < scores["knn"]["mae"]
    json.dumps(scores, allow_nan=False)


@pytest.mark.slow
def test_float64_is_measured_too():
    narrow = measure(split(0), split(1), n_classes=5, shares=(), **OPTIONS)
    with jax.enable_x64(True):
        wide = [x._replace(features=x.features.astype(np.float64)) for x in (split(0), split(1))]
        scores = measure(*wide, n_classes=5, shares=(), **OPTIONS)
    assert scores["linear"]["top1"] == pytest.approx(narrow["linear"]["top1"], abs=0.01)
    assert scores["ridge"]["mae"] == pytest.approx(narrow["ridge"]["mae"], abs=1e-3)


def test_what_one_split_alone_has_does_not_count():
    bare = without(split(1), "label", "target")
    assert measure(split(0), bare, n_classes=5, shares=(), **OPTIONS) == {}


def test_labels_that_are_no_classes_and_splits_that_are_too_small_are_left_out():
    labelled = [without(split(seed), "target") for seed in (0, 1)]
    assert measure(*labelled, n_classes=None, shares=(0.5,), **OPTIONS) == {}
    known = {"labels": np.eye(5, dtype=np.uint8), "path": np.zeros((5, 2), np.int32)}
    five, one = (
        Features(split(0).features[:n], {key: x[:n] for key, x in known.items()}) for n in (5, 1)
    )
    assert measure(five, one, n_classes=None, shares=(), **OPTIONS) == {}


@pytest.mark.slow
def test_low_shot_probes_are_those_of_scikit_learn_on_the_same_rows():
    train, test = split(0), split(1)
    scores = measure(train, test, n_classes=5, shares=(0.2,), **OPTIONS)
    low = scores["linear"]["low_shot"]["0.2"]
    rows = choose_share(0.2, n=300, label=train.label, seed=0)
    probe = linear_probe(
        *(train.features[rows], train.label[rows], test.features, test.label),
        n_classes=5,
        seeds=(0,),
        l2_grid=LOW_SHOT_L2_GRID,
    )
    scaler = StandardScaler().fit(train.features[rows])
    inputs = scaler.transform(train.features[rows]), scaler.transform(test.features)
    reference = LogisticRegression(C=1 / (probe["l2"][0] * len(rows)), max_iter=5000, tol=1e-8)
    right = reference.fit(inputs[0], train.label[rows]).predict(inputs[1]) == test.label
    assert low["top1"] == pytest.approx(right.mean(), abs=1.5 / len(right))
    rows = choose_share(0.2, n=300, seed=0)
    chosen = ridge_probe(
        *(train.features[rows], train.target[rows], test.features, test.target),
        seeds=(0,),
        resamples=0,
    )
    scaler = StandardScaler().fit(train.features[rows])
    ridge = Ridge(alpha=chosen["l2"][0] * len(rows))
    ridge.fit(scaler.transform(train.features[rows]), train.target[rows])
    error = np.abs(ridge.predict(scaler.transform(test.features)) - test.target)
    assert scores["ridge"]["low_shot"]["0.2"]["mae"] == pytest.approx(error.mean(), rel=1e-4)


def test_only_what_the_data_has_is_measured():
    targeted = [without(split(seed), "label") for seed in (0, 1)]
    scores = measure(*targeted, n_classes=None, shares=(), **OPTIONS)
    assert set(scores) == {"knn", "ridge"}
    assert "top1" not in scores["knn"]
    assert "low_shot" not in scores["ridge"]
    bare = [without(features, "target") for features in targeted]
    assert measure(*bare, n_classes=None, shares=(0.5,), **OPTIONS) == {}
    assert np.isfinite(scores["ridge"]["mae"])


def test_further_scores_are_of_what_the_data_know():
    random = np.random.RandomState(0)
    known = {
        "outlier": np.arange(300) % 4 == 0,
        "path": random.randint(0, 2, (300, 3)).astype(np.int32),
    }
    train, test = (Features(split(seed).features, known) for seed in (0, 1))
    outlying = test.features[known["outlier"]]
    # What lies opposite is an outlier; training outliers are none of the examples that count.
    test.features[known["outlier"]] = train.features[known["outlier"]] = -outlying
    scores = measure(train, test, n_classes=None, shares=(), **OPTIONS)
    assert set(scores) == {"anomaly", "tree"}
    assert scores["anomaly"] == {"auroc": pytest.approx(1, abs=0.1), "outliers": 75}
    assert abs(scores["tree"]["spearman"]) < 0.1
    json.dumps(scores, allow_nan=False)
    bare = Features(test.features, {"outlier": np.zeros(300, bool)})
    assert measure(train, bare, n_classes=None, shares=(), **OPTIONS) == {}


@pytest.mark.slow
def test_multi_hot_labels_are_measured():
    known = {"labels": (split(0).features[:, :3] > 0).astype(np.uint8)}
    same = Features(split(0).features, known)
    scores = measure(same, same, n_classes=None, shares=(), **OPTIONS)
    assert set(scores) == {"multi_label"}
    assert scores["multi_label"]["map"] == pytest.approx(1, abs=0.02)
    assert measure(same, split(0)._replace(known={}), n_classes=None, shares=(), **OPTIONS) == {}
