"""Outliers, planted pairs, graded similarity, zero-shot: scores of cosines alone."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import ndcg_score, roc_auc_score
from sklearn.metrics.pairwise import cosine_similarity

from jcl.errors import UserError
from jcl.probes import (
    anomaly_scores,
    planted_recall,
    similarity_spearman,
    tree_scores,
    zero_shot_top1,
)
from jcl.probes.similarity import ndcg, shared_path


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_outliers_are_those_with_small_largest_cosines():
    train, test = normal(60, 4) + 1, normal(30, 4, seed=1) + 1
    outlier = np.arange(30) % 3 == 0
    test[outlier] -= 1
    similarity = cosine_similarity(test.astype(np.float64), train).max(1)
    expected = roc_auc_score(~outlier, similarity)
    assert anomaly_scores(train, test, outlier) == {
        "auroc": pytest.approx(expected, abs=1e-6),
        "outliers": 10,
    }
    assert 0.5 < expected < 1
    with pytest.raises(UserError, match="both outliers and inliers"):
        anomaly_scores(train, test, np.zeros(30, np.int32))


def test_planted_pairs_are_looked_for_among_as_many_of_the_least_similar():
    similarity = np.array([0.9, 0.1, 0.8, 0.3, 0.2, 0.7])
    assert planted_recall(similarity, np.array([0, 2, 0, 1, 0, 1])) == {
        "recall": pytest.approx(2 / 3),  # of the rows 1, 4 and 3
        "planted": 3,
    }
    with pytest.raises(UserError, match="No pair was planted"):
        planted_recall(similarity, np.zeros(6, bool))


def test_similarity_is_compared_by_ranks():
    left, right, given = normal(30, 6), normal(30, 6, seed=1), normal(30, seed=2)
    right += left * given[:, None]
    cosines = np.diag(cosine_similarity(left.astype(np.float64), right))
    expected = spearmanr(cosines, given).statistic
    assert similarity_spearman(left, right, given) == pytest.approx(expected)
    assert 0.3 < expected < 1
    assert similarity_spearman(left, left, given) is None


PATHS = np.array([[0, 0, 1], [0, 0, 2], [0, 1, 1], [1, 0, 1]], np.int32)


def test_ways_go_together_until_they_part():
    expected = [[3, 2, 1, 0], [2, 3, 1, 0], [1, 1, 3, 0], [0, 0, 0, 3]]
    np.testing.assert_array_equal(shared_path(PATHS, PATHS), expected)


def test_a_tree_is_scored_row_by_row():
    path = PATHS[np.random.RandomState(0).randint(0, 4, 150)]  # more than a block
    features = path[:, :2].astype(np.float32) + normal(150, 2)
    relevance, cosines = shared_path(path, path), cosine_similarity(features.astype(np.float64))
    others = [np.delete(np.arange(150), i) for i in range(150)]
    expected = np.mean(
        [ndcg_score([relevance[i, o]], [cosines[i, o]], k=10) for i, o in enumerate(others)]
    )
    above = np.triu_indices(150, 1)
    found = tree_scores(features, path)
    assert found["ndcg10"] == pytest.approx(expected)
    assert found["spearman"] == pytest.approx(spearmanr(cosines[above], relevance[above]).statistic)
    assert 0.1 < found["spearman"] < found["ndcg10"] < 1
    # The first, the middle and the last row ask; all can be found.
    rows = [0, 74, 149]
    few = np.mean([ndcg_score([relevance[i, o]], [cosines[i, o]], k=10) for i, o in
                   ((i, others[i]) for i in rows)])  # fmt: skip
    assert ndcg(features, path, max_queries=3) == pytest.approx(few)


def test_zero_shot_takes_the_mean_of_a_class_of_texts():
    texts, images = normal(4, 3, 5), normal(50, 5, seed=1)
    labels = np.random.RandomState(0).randint(0, 4, 50)
    images += 2 * texts.mean(1)[labels]
    rows = texts.astype(np.float64) / np.linalg.norm(texts, axis=2, keepdims=True)
    right = cosine_similarity(images, rows.mean(1)).argmax(1) == labels
    assert zero_shot_top1(images, labels, texts) == {"top1": right.mean(), "templates": 3}
    assert 0.5 < right.mean() < 1
    # Longer texts count no more.
    longer = texts * np.array([1, 100, 1], np.float32)[:, None]
    assert zero_shot_top1(images, labels, longer)["top1"] == right.mean()
    with pytest.raises(UserError, match="allows 0 to 2"):
        zero_shot_top1(images, labels, texts[:3])
