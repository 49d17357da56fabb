import numpy as np
import pytest

from jcl.data.prepare.outliers import other_class_outliers, turn_outliers
from jcl.data.prepare.rotated import rotate
from jcl.errors import UserError
from tests.data.prepare.labelled import assert_same_arrays, labelled


def test_test_images_are_turned_and_training_images_are_not():
    whole = labelled(test=10)
    made = turn_outliers(whole)
    assert_same_arrays(whole["train"], made["train"])
    assert not made["train"]["outlier"].any()
    test = made["test"]
    assert np.bincount(test["turn"]).tolist() == [10] * 4
    np.testing.assert_array_equal(test["outlier"], test["turn"] > 0)
    for image, position, turn in zip(test["image"], test["position"], test["turn"], strict=True):
        expected = rotate(whole["test"]["image"][position], 90.0 * turn)
        np.testing.assert_array_equal(image, expected)


def test_other_classes_are_outliers_of_the_one_that_is_trained_on():
    whole = labelled()
    made = other_class_outliers(whole, 2)
    assert made["train"]["position"].tolist() == list(range(2, 400, 4))
    assert not made["train"]["outlier"].any()
    assert_same_arrays(whole["test"], made["test"])
    np.testing.assert_array_equal(made["test"]["outlier"], np.arange(40) % 4 != 2)


def test_refuses_in_one_sentence():
    with pytest.raises(UserError, match="square images, but these are 4x6"):
        turn_outliers(labelled(shape=(4, 6, 1)))
    masked = {split: {**a, "mask": a["image"][..., 0] > 9} for split, a in labelled().items()}
    with pytest.raises(UserError, match="turned_outliers moves pixels"):
        turn_outliers(masked)
    with pytest.raises(UserError, match="would replace the turn"):
        turn_outliers(turn_outliers(labelled()))
    with pytest.raises(UserError, match="the train split has no example of class 9"):
        other_class_outliers(labelled(), 9)
    with pytest.raises(UserError, match="turned_outliers would replace the outlier"):
        turn_outliers(other_class_outliers(labelled(), 2))
