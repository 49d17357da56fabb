import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from jcl.probes import knn_top1, linear_probe
from jcl.probes.class_scores import class_scores, is_unbalanced
from tests.probes.blobs import blobs

COUNTS = (150, 101, 100, 20, 19)


def test_classes_count_alike_and_by_how_many_examples_they_had():
    random = np.random.RandomState(0)
    train = np.repeat(np.arange(5), COUNTS)
    labels = random.randint(0, 6, 300)  # class 5 has no training example
    predicted = np.where(random.rand(300) < 0.6, labels, random.randint(0, 6, 300))
    found = class_scores(predicted, labels, train)
    assert found["balanced"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    for name, classes in (("many", (0, 1)), ("medium", (2, 3)), ("few", (4, 5))):
        rows = np.isin(labels, classes)
        expected = {"top1": (predicted == labels)[rows].mean(), "n": rows.sum()}
        assert found["shots"][name] == pytest.approx(expected)
    assert set(class_scores(predicted[:1], labels[:1], labels[:1])["shots"]) == {"few"}


def test_several_fits_are_averaged():
    labels, train = np.array([0, 0, 0, 1]), np.repeat([0, 1], [200, 5])
    fits = np.array([[0, 0, 0, 0], [0, 1, 1, 1]])
    found = class_scores(fits, labels, train)
    assert found["balanced"] == pytest.approx((1 / 2 + (1 / 3 + 1) / 2) / 2)
    assert found["shots"]["many"] == {"top1": pytest.approx(2 / 3), "n": 3}
    assert found["shots"]["few"] == {"top1": 0.5, "n": 1}


def long_tailed():
    """Training rows of which class 0 has few, and test rows."""
    (x, y), (test_x, test_y) = blobs(300, seed=0), blobs(300, seed=1)
    y[y == 0] = np.where(np.arange((y == 0).sum()) < 5, 0, 1)
    return x, y, test_x, test_y


def check(scores):
    assert set(scores["shots"]) <= {"many", "medium", "few"}
    assert 0 < scores["balanced"] < scores["top1"] < 1


def test_knn_has_them_where_the_training_labels_are_unbalanced():
    assert not is_unbalanced(np.repeat([3, 5], [10, 20]))
    assert is_unbalanced(np.repeat([3, 5], [10, 21]))
    check(knn_top1(*long_tailed(), n_classes=5, k=5))
    balanced = knn_top1(*blobs(300, seed=0), *blobs(300, seed=1), n_classes=5, k=5)
    assert not {"balanced", "shots"} & set(balanced)


@pytest.mark.slow
def test_the_linear_probe_has_them_too():
    options = {"n_classes": 5, "seeds": (0,), "l2_grid": (0.1,)}
    check(linear_probe(*long_tailed(), **options))
