"""Spearman's correlation of pairs against ranks by hand."""

import numpy as np
import pytest

from jcl.errors import UserError
from jcl.probes.sts import sts

RANDOM = np.random.RandomState(0)
FEATURES = RANDOM.randn(9, 4)
PAIR = np.array([3, 0, -1, 7, 0, 3, 7, 5, 5])
SCORE = np.array([0.4, 0.1, 0.0, 0.4, 0.1, 0.4, 0.4, 0.5, 0.5], np.float32)


def test_ranks_of_cosines_against_ranks_of_scores():
    sides = [(0, 5), (1, 4), (3, 6), (7, 8)]
    norms = np.linalg.norm(FEATURES, axis=1)
    cosines = [FEATURES[a] @ FEATURES[b] / norms[a] / norms[b] for a, b in sides]

    def ranks(values):  # equal ones share theirs
        values = np.array(values)[:, None]
        return (np.sum(values > values.T, 1) + np.sum(values >= values.T, 1)) / 2

    expected = np.corrcoef(ranks(cosines), ranks([SCORE[a] for a, _ in sides]))[0, 1]
    found = sts(FEATURES * RANDOM.rand(9, 1), PAIR, SCORE)
    assert found == {"spearman": pytest.approx(expected), "pairs": 4}
    assert sts(FEATURES, np.full(9, -1), SCORE) == {}
    assert sts(np.ones((9, 4)), PAIR, SCORE) == {"spearman": None, "pairs": 4}


def test_pairs_that_are_none():
    with pytest.raises(UserError, match="sts_pair is 0 in 3 test examples, but a pair has two"):
        sts(FEATURES, np.where(PAIR < 0, 0, PAIR), SCORE)
    with pytest.raises(UserError, match=r"sts_score differs between the two test .* sts_pair 5"):
        sts(FEATURES, PAIR, SCORE + 0.1 * (np.arange(9) == 8))
