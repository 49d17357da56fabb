import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from jcl.probes import episodes, opta
from jcl.probes.opta import transported
from tests.probes.blobs import blobs


def moved(means, queries, epsilon=0.05):
    """Sinkhorn's iterations in the log domain, row by row."""
    cost = np.array([[np.sum((m - q) ** 2) for q in queries] for m in means])
    logits = -cost / cost.max() / epsilon
    f, g = np.zeros(len(means)), np.zeros(len(queries))
    for _ in range(250):
        f = -np.log(len(means)) - logsumexp(logits + g, axis=1)
        g = -np.log(len(queries)) - logsumexp(logits + f[:, None], axis=0)
    plan = np.exp(logits + f[:, None] + g)
    np.testing.assert_allclose(plan.sum(1), 1 / len(means), rtol=1e-4)
    np.testing.assert_allclose(plan.sum(0), 1 / len(queries), rtol=1e-6)
    return np.stack([np.average(queries, axis=0, weights=row) for row in plan])


def test_means_are_averages_of_what_is_transported_to_them():
    random = np.random.default_rng(0)
    means, queries = random.normal(size=(3, 4)), random.normal(size=(12, 4)) + 1
    other = random.normal(size=(3, 4)), random.normal(size=(12, 4))
    found = transported(*(np.stack(pair) for pair in zip((means, queries), other, strict=True)))
    for moved_, given in zip(found, ((means, queries), other), strict=True):
        np.testing.assert_allclose(moved_, moved(*given), atol=1e-3)
        # They share the queries equally, so their mean is that of the queries.
        np.testing.assert_allclose(moved_.mean(0), given[1].mean(0), atol=1e-3)
    assert np.abs(means.mean(0) - queries.mean(0)).max() > 0.5


def test_means_that_are_the_queries_stay():
    means = np.random.default_rng(1).normal(size=(2, 5, 6))
    np.testing.assert_allclose(transported(means, means, epsilon=1e-3), means, atol=1e-9)
    one = np.ones((1, 2, 3))
    np.testing.assert_allclose(transported(one, one), one)  # no distance at all


@pytest.mark.parametrize("shots", [1, 3])
def test_logistic_regression_on_moved_means_of_the_same_episodes(shots):
    features, labels = blobs(300, seed=0)
    found = opta(features, labels, shots=(shots,), count=2, seed=5)[f"5-way {shots}-shot"]
    random, top1 = np.random.default_rng(5), []
    x = (features - features.mean(1, keepdims=True)) / features.std(1, keepdims=True)
    for _ in range(2):
        classes = random.choice(5, 5, replace=False)
        take = lambda c: random.choice(np.flatnonzero(labels == c), shots + 15, replace=False)  # noqa: E731
        drawn = np.stack([take(c) for c in classes])
        old, asked = x[drawn[:, :shots]].mean(1), x[drawn[:, shots:]].reshape(75, -1)
        means = old
        for _ in range(5 if shots == 1 else 1):
            means = moved(means, asked)
        if shots > 1:
            means = 0.7 * means + 0.3 * old
        fitted = LogisticRegression(max_iter=5000, tol=1e-8).fit(means, np.arange(5))
        top1.append(fitted.score(asked, np.repeat(np.arange(5), 15)))
    assert found["top1"] == pytest.approx(np.mean(top1), abs=0.7 / 75)
    assert found["episodes"] == 2


def test_it_makes_up_for_means_of_one_example():
    random, labels = np.random.default_rng(0), np.arange(200) % 5
    features = random.normal(size=(5, 64))[labels] + 2 * random.normal(size=(200, 64))
    one = {"shots": (1,), "count": 30}
    few, moved_ = (probe(features, labels, **one)["5-way 1-shot"] for probe in (episodes, opta))
    assert moved_["top1"] > few["top1"] + 0.05
