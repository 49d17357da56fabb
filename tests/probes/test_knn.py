import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from jcl.errors import UserError
from jcl.probes import knn_predict, knn_top1
from tests.probes.blobs import blobs


@pytest.mark.parametrize("block_size", [None, 7, 64])
@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (20, 0.07), (20, 1.0), (300, 0.5)])
def test_agrees_with_scikit_learn(k, temperature, block_size):
    train, labels = blobs(300, seed=0)
    test, _ = blobs(101, seed=1)
    reference = KNeighborsClassifier(
        k, metric="cosine", weights=lambda distance: np.exp((1 - distance) / temperature)
    ).fit(train.astype(np.float64), labels)

    predicted = knn_predict(
        train, labels, test, n_classes=5, k=k, temperature=temperature, block_size=block_size
    )

    assert predicted.dtype == np.int32
    np.testing.assert_array_equal(predicted, reference.predict(test.astype(np.float64)))


def test_similarity_weighs_more_than_number():
    # One neighbour at cosine 1 against two at cosine 0.8: exp(1/0.07) > 2 exp(0.8/0.07).
    train = np.array([[1, 0], [0.8, 0.6], [0.8, -0.6]], np.float32)
    labels = np.array([2, 1, 1])
    test = np.array([[3, 0]], np.float32)
    assert knn_predict(train, labels, test, n_classes=3, k=3) == [2]
    assert knn_predict(train, labels, test, n_classes=3, k=3, temperature=1.0) == [1]


def test_a_cold_temperature_does_not_overflow():
    train, labels = blobs(100, seed=0)
    cold = knn_predict(train, labels, train, n_classes=5, k=20, temperature=1e-4)
    np.testing.assert_array_equal(cold, labels)  # the nearest neighbour, itself, decides


def test_ties_go_to_the_first_neighbour_and_the_smaller_label():
    train = np.ones((40, 4), np.float32)
    labels = np.array([3] * 10 + [1] * 10 + [0] * 20)
    test = np.ones((3, 4), np.float32)
    # The first 20 rows vote: ten 3s, ten 1s.
    np.testing.assert_array_equal(knn_predict(train, labels, test, n_classes=4, k=20), [1, 1, 1])


def test_zero_rows_are_no_trouble():
    train, labels = blobs(50, seed=0)
    train[:10] = 0
    assert np.isin(knn_predict(train, labels, np.zeros_like(train), n_classes=5), labels).all()


def test_top1_is_the_fraction_that_is_right():
    train, labels = blobs(300, seed=0)
    test, test_labels = blobs(101, seed=1)
    right = np.mean(knn_predict(train, labels, test, n_classes=5) == test_labels)
    assert 0.2 < right < 1
    assert knn_top1(train, labels, test, test_labels, n_classes=5) == {
        "top1": right,
        "k": 20,
        "temperature": 0.07,
        "metric": "cosine",
    }


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"k": 31}, "k=31 neighbours were asked of 30"),
        ({"k": 0}, "k=0"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"block_size": 0}, "block_size"),
        ({"n_classes": 3}, "n_classes=3 allows 0 to 2"),
    ],
)
def test_mistakes_are_told(change, sentence):
    train, labels = blobs(30, seed=0)
    with pytest.raises(UserError, match=sentence):
        knn_predict(train, labels, train, **({"n_classes": 5} | change))


def test_diverged_features_are_told():
    train, labels = blobs(30, seed=0)
    broken = train.copy()
    broken[3, 2] = np.nan
    with pytest.raises(UserError, match="Test features hold NaN"):
        knn_predict(train, labels, broken, n_classes=5)
