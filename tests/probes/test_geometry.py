import math

import numpy as np
import pytest

from jcl.errors import UserError
from jcl.probes import (
    alignment,
    effective_rank,
    geometry,
    ordinality,
    spread,
    tolerance,
    uniformity,
)


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(37, 6)).astype(np.float32) + 0.5


@pytest.fixture
def labels():
    return np.random.default_rng(1).choice([0, 2, 7, 9], 37)


def unit(x):
    x = np.asarray(x, np.float64)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_alignment_is_the_mean_squared_distance_of_pairs(features):
    other = np.random.default_rng(2).normal(size=(37, 6)).astype(np.float32)
    pairs = zip(unit(features), unit(other), strict=True)
    expected = np.mean([np.sum((x - y) ** 2) for x, y in pairs])
    assert alignment(features, other) == pytest.approx(expected, rel=1e-6)
    assert alignment(features, 3 * features) == pytest.approx(0, abs=1e-12)
    assert alignment(features, -features) == pytest.approx(4, rel=1e-6)


@pytest.mark.parametrize("block_size", [1, 8, 37, 256])
@pytest.mark.parametrize("t", [2.0, 0.5])
def test_uniformity_is_over_every_pair_once(features, block_size, t):
    x, terms = unit(features), []
    for i in range(37):
        for j in range(i + 1, 37):
            terms.append(math.exp(-t * np.sum((x[i] - x[j]) ** 2)))
    expected = math.log(np.mean(terms))
    assert uniformity(features, t=t, block_size=block_size) == pytest.approx(expected, abs=1e-6)


def test_uniformity_of_collapsed_and_of_opposite_features():
    assert uniformity(np.ones((5, 3), np.float32)) == pytest.approx(0, abs=1e-6)
    assert uniformity(np.array([[1, 0], [-2, 0]], np.float32)) == pytest.approx(-8, rel=1e-6)


def test_tolerance_is_the_mean_cosine_within_classes(features, labels):
    x, cosines = unit(features), []
    for i in range(37):
        for j in range(37):
            if i != j and labels[i] == labels[j]:
                cosines.append(x[i] @ x[j])
    assert tolerance(features, labels) == pytest.approx(np.mean(cosines), abs=1e-6)


def test_geometry_holds_all_of_them(features, labels):
    other, targets = features + np.float32(0.1), features[:, 0] + features[:, 1]
    measured = geometry((features, other), features, labels, targets)
    assert measured == {
        "alignment": alignment(features, other),
        "uniformity": uniformity(features),
        "effective_rank": effective_rank(features),
        "spread": spread(features),
        "width": 6,
        "tolerance": tolerance(features, labels),
        "ordinality": ordinality(features, targets),
    }
    assert all(type(value) in (float, int) for value in measured.values())
    alone = {"uniformity", "effective_rank", "spread", "width"}
    assert set(geometry((features, other), features)) == {"alignment", *alone}
    assert set(geometry(None, features)) == alone


def test_what_is_not_defined_is_none(features):
    assert uniformity(features[:1]) is None
    assert tolerance(features, np.arange(37)) is None
    assert ordinality(features[:2], np.arange(2)) is None


def test_mistakes_are_told(features):
    with pytest.raises(UserError, match="NaN"):
        uniformity(features * np.float32(np.nan))
