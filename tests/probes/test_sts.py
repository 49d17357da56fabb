"""Spearman's correlation of pairs against ranks by hand."""

import numpy as np
import pytest

from jcl.errors import UserError
from jcl.probes.sts import sts

RANDOM = np.random.RandomState(0)
FEATURES = RANDOM.randn(9, 4)
PAIR = np.array([3, 0, -1, 7, 0, 3, 7, 5, 5])
SCORE = np.array([0.9, 0.1, 0.0, 0.4, 0.1, 0.9, 0.4, 0.5, 0.5], np.float32)


def test_ranks_of_cosines_against_ranks_of_scores():
    sides = [(0, 5), (1, 4), (3, 6), (7, 8)]
    norms = np.linalg.norm(FEATURES, axis=1)
    cosines = [FEATURES[a] @ FEATURES[b] / norms[a] / norms[b] for a, b in sides]
    ranks = np.argsort(np.argsort(cosines)), np.argsort(np.argsort([SCORE[a] for a, _ in sides]))
    expected = 1 - 6 * np.sum((ranks[0] - ranks[1]) ** 2) / (4 * 15)
    found = sts(FEATURES * RANDOM.rand(9, 1), PAIR, SCORE)
    assert found == {"spearman": pytest.approx(expected), "pairs": 4}
    assert sts(FEATURES, np.full(9, -1), SCORE) == {}


def test_pairs_that_are_none():
    with pytest.raises(UserError, match="sts_pair is 0 in 3 test examples, but a pair has two"):
        sts(FEATURES, np.where(PAIR < 0, 0, PAIR), SCORE)
    with pytest.raises(UserError, match=r"sts_score differs between the two test .* sts_pair 5"):
        sts(FEATURES, PAIR, SCORE + 0.1 * (np.arange(9) == 8))
