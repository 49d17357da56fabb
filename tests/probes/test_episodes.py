import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize

from jcl.errors import UserError
from jcl.probes import episodes
from tests.probes.blobs import blobs


def test_nearest_class_means_of_unit_features():
    features, labels = blobs(300, seed=0)
    found = episodes(features, labels, shots=(3,), count=20, seed=5)["5-way 3-shot"]
    # The same draws, predicted by scikit-learn.
    random, x, top1 = np.random.default_rng(5), normalize(features), []
    for _ in range(20):
        classes = random.choice(5, 5, replace=False)
        drawn = [random.choice(np.flatnonzero(labels == c), 18, replace=False) for c in classes]
        known, asked = (np.concatenate([rows[part] for rows in drawn]) for part in
                        (slice(3), slice(3, None)))  # fmt: skip
        fitted = NearestCentroid().fit(x[known], labels[known])
        top1.append(fitted.score(x[asked], labels[asked]))
    half = 1.96 * np.std(top1, ddof=1) / 20**0.5
    assert found["top1"] == pytest.approx(np.mean(top1))
    interval = [np.mean(top1) - half, np.mean(top1) + half]
    assert found["top1_interval"] == pytest.approx(interval)
    assert 0.3 < found["top1"] < 1


def test_more_shots_are_better_and_chance_is_chance():
    features, labels = blobs(300, seed=0)
    found = episodes(features, labels, count=100)
    assert found["5-way 1-shot"]["top1"] < found["5-way 5-shot"]["top1"]
    noise = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    low, high = episodes(noise, labels, shots=(1,), count=100)["5-way 1-shot"]["top1_interval"]
    assert low < 0.2 < high
    assert high - low < 0.05


def test_what_too_few_classes_or_examples_cannot_make_is_left_out():
    features, labels = blobs(100, seed=0)
    assert set(episodes(features, np.arange(100) // 20, count=2)) == {
        "5-way 1-shot",
        "5-way 5-shot",
    }
    assert set(episodes(features[:95], np.arange(95) // 19, count=2)) == {"5-way 1-shot"}
    assert episodes(features, labels % 4, count=2) == {}
    with pytest.raises(UserError, match="make no episodes"):
        episodes(features, labels, shots=())
