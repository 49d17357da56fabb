import numpy as np
import pytest

from jcl.data.prepare.concatenated import concatenate
from jcl.errors import UserError
from tests.data.prepare.labelled import assert_same_arrays, labelled


def test_multiplicities():
    first, second = labelled(train=5), labelled(train=7)
    made = concatenate(first, second, times=3, other_times=2)
    train = made["train"]
    for origin, splits, times in ((0, first, 3), (1, second, 2)):
        mine = train["origin"] == origin
        assert mine.sum() == times * len(splits["train"]["label"])
        for position, label in enumerate(splits["train"]["label"]):
            rows = mine & (train["position"] == position)
            assert rows.sum() == times
            assert (train["label"][rows] == label).all()
            assert (train["image"][rows] == splits["train"]["image"][position]).all()
    assert_same_arrays(first["test"], made["test"])
    assert not made["test"]["origin"].any()


def test_refuses_in_one_sentence():
    first = labelled()
    for other, times, message in [
        (labelled(), 0, "times=0 and also_times=1 must both be at least 1"),
        (labelled(shape=(5, 5, 1)), 1, "must hold the same"),
        ({s: {"image": a["image"]} for s, a in first.items()}, 1, "must hold the same"),
    ]:
        with pytest.raises(UserError, match=message):
            concatenate(first, other, times=times, other_times=1)
    assert np.ndim(first["train"]["label"]) == 1
