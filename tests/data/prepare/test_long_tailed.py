import numpy as np
import pytest

from jcl.data.prepare.classes import keep_classes
from jcl.data.prepare.long_tailed import thin_classes
from jcl.errors import UserError
from tests.data.prepare.labelled import assert_same_arrays, digest, labelled


@pytest.mark.parametrize(
    ("ratio", "counts"), [(1.0, [100] * 4), (10.0, [100, 46, 22, 10]), (100.0, [100, 22, 5, 1])]
)
def test_counts_fall_geometrically(ratio, counts):
    whole = labelled()
    thin = thin_classes(whole, ratio=ratio, seed=0)
    train = thin["train"]
    assert np.bincount(train["label"]).tolist() == counts
    assert_same_arrays(thin["test"], whole["test"])
    # Whole examples, in their order.
    assert (np.diff(train["position"]) > 0).all()
    assert_same_arrays(train, {key: a[train["position"]] for key, a in whole["train"].items()})


def test_the_choice_is_of_the_seed_and_pinned():
    kept = [thin_classes(labelled(), ratio=10.0, seed=s)["train"]["position"] for s in (0, 0, 1)]
    np.testing.assert_array_equal(kept[0], kept[1])
    assert set(kept[0]) != set(kept[2])
    assert digest(kept[0]) == "f7568e3d78bfbb6a"
    # A longer tail is part of a shorter one.
    assert set(thin_classes(labelled(), ratio=100.0, seed=0)["train"]["position"]) < set(kept[0])


@pytest.mark.parametrize(
    ("ratio", "splits", "message"),
    [
        (0.5, labelled(), "class_ratio=0.5 .* at least 1"),
        (float("inf"), labelled(), "at least 1"),
        (1000.0, labelled(), "leaves nothing of class 3"),
        (10.0, labelled(classes=1), "for 2 or more classes"),
        (10.0, {s: {"image": a["image"]} for s, a in labelled().items()}, "needs a label"),
    ],
)
def test_refuses_in_one_sentence(ratio, splits, message):
    with pytest.raises(UserError, match=message):
        thin_classes(splits, ratio=ratio, seed=0)


def test_classes_that_are_kept():
    kept = keep_classes(labelled(), ["2", "0"])
    assert np.unique(kept["train"]["label"]).tolist() == [0, 2]
    assert kept["test"]["position"].tolist() == list(range(0, 40, 2))
    with pytest.raises(UserError, match="train split has no example of class 4"):
        keep_classes(labelled(), ["4"])
    with pytest.raises(UserError, match="classes=0,x is given"):
        keep_classes(labelled(), ["0", "x"])
