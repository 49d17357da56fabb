import numpy as np
import pytest
from scipy.stats import rankdata

from jcl.errors import UserError
from jcl.probes import ordinality


def reference(features, targets):
    """Pearson's correlation of the ranks, pair by pair."""
    x = features / np.linalg.norm(features, axis=1, keepdims=True)
    pairs = [(i, j) for i in range(len(x)) for j in range(i)]
    distances = rankdata([np.linalg.norm(x[i] - x[j]) for i, j in pairs])
    differences = rankdata([abs(targets[i] - targets[j]) for i, j in pairs])
    return np.corrcoef(distances, differences)[0, 1]


def test_is_spearmans_correlation_over_all_pairs():
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(37, 6)), rng.integers(0, 9, 37).astype(np.float32)
    features[:, 0] += targets  # a part of the order
    measured = ordinality(features.astype(np.float32), targets)
    assert type(measured) is float
    assert measured == pytest.approx(reference(features, targets), abs=1e-4)
    assert 0.2 < measured < 0.9


def test_features_on_an_arc_are_perfectly_ordered():
    target = np.linspace(0, 3, 30)
    arc = np.stack([np.cos(target), np.sin(target)], axis=1) * np.arange(1, 31)[:, None]
    assert ordinality(arc, target) == pytest.approx(1, abs=1e-3)
    shuffled = np.random.default_rng(0).permutation(target)
    assert abs(ordinality(arc, shuffled)) < 0.3


def test_of_many_rows_evenly_spaced_ones_are_compared():
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(41, 3)), rng.normal(size=41)
    part = ordinality(features, targets, max_rows=21)
    assert part == ordinality(features[::2], targets[::2])
    assert part != ordinality(features, targets)


def test_what_is_undefined_is_none():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(9, 3))
    assert ordinality(features, np.ones(9)) is None
    assert ordinality(np.outer(np.arange(1, 10), [0.3, 0.1, 0.7]), rng.normal(size=9)) is None


def test_mistakes_are_told():
    with pytest.raises(UserError, match="Targets hold NaN"):
        ordinality(np.ones((3, 3)), np.full(3, np.nan))
