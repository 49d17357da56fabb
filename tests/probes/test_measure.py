import json

import numpy as np
import pytest

from jcl.probes import Features, measure
from tests.probes.blobs import blobs

OPTIONS = {"k": 5, "temperature": 0.07, "seeds": (0,), "bin_width": 1.0}


def split(seed, n=300):  # the shapes of test_linear.py, so that nothing is compiled again
    features, label = blobs(n, seed=seed)
    return Features(features, label, features[:, 0] + features[:, 1])


def test_labels_and_targets_are_both_measured():
    scores = measure(split(0), split(1), n_classes=5, shares=(1.0,), **OPTIONS)
    assert set(scores) == {"knn", "linear", "ridge"}
    assert {"top1", "mae", "mae_interval", "spearman", "regions", "k"} <= set(scores["knn"])
    low = scores["linear"]["low_shot"]["1"]
    assert low["examples"] == scores["ridge"]["low_shot"]["1"]["examples"] == 300
    assert 0.2 < low["top1"] <= 1
    # The target is a sum of two features.
    assert scores["ridge"]["low_shot"]["1"]["r2"] == pytest.approx(1, abs=1e-3)
    assert scores["ridge"]["mae"] < 0.01 < scores["knn"]["mae"]
    json.dumps(scores, allow_nan=False)


def test_only_what_the_data_has_is_measured():
    targeted = [split(seed)._replace(label=None) for seed in (0, 1)]
    scores = measure(*targeted, n_classes=None, shares=(), **OPTIONS)
    assert set(scores) == {"knn", "ridge"}
    assert "top1" not in scores["knn"]
    assert "low_shot" not in scores["ridge"]
    bare = [features._replace(target=None) for features in targeted]
    assert measure(*bare, n_classes=None, shares=(0.5,), **OPTIONS) == {}
    assert np.isfinite(scores["ridge"]["mae"])
