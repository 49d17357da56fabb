import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error
from sklearn.neighbors import KNeighborsRegressor

from jcl.errors import UserError
from jcl.probes import knn_predict_target, knn_target_scores
from tests.probes.blobs import blobs


def targets(features):
    return (30 + 10 * features[:, 0] - features[:, 1] ** 2).astype(np.float32)


@pytest.mark.parametrize("block_size", [None, 7])
@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (20, 0.07), (300, 0.5)])
def test_agrees_with_scikit_learn(k, temperature, block_size):
    train, _ = blobs(300, seed=0)
    test, _ = blobs(101, seed=1)
    reference = KNeighborsRegressor(
        k, metric="cosine", weights=lambda distance: np.exp((1 - distance) / temperature)
    ).fit(train.astype(np.float64), targets(train))
    predicted = knn_predict_target(
        train, targets(train), test, k=k, temperature=temperature, block_size=block_size
    )
    np.testing.assert_allclose(predicted, reference.predict(test.astype(np.float64)), rtol=1e-5)


def test_scores_are_those_of_the_predictions():
    train, _ = blobs(300, seed=0)
    test, _ = blobs(101, seed=1)
    result = knn_target_scores(train, targets(train), test, targets(test), bin_width=5.0)
    expected = mean_absolute_error(targets(test), knn_predict_target(train, targets(train), test))
    assert result["mae"] == pytest.approx(expected)
    assert sum(region["n"] for region in result["regions"].values()) == 101
    assert (result["k"], result["temperature"], result["metric"]) == (20, 0.07, "cosine")
    assert result["mae_interval"][0] < expected < result["mae_interval"][1]


def test_mistakes_are_told():
    train, _ = blobs(30, seed=0)
    with pytest.raises(UserError, match="Train targets hold NaN"):
        knn_predict_target(train, np.full(30, np.inf), train)
    with pytest.raises(UserError, match="k=31 neighbours"):
        knn_predict_target(train, np.zeros(30), train, k=31)
    with pytest.raises(UserError, match="Test targets hold NaN"):
        knn_target_scores(train, np.zeros(30), train, np.full(30, np.nan))
