import numpy as np
import pytest

from jcl.data import InMemorySource
from jcl.data.dataset_shape import shape_of
from jcl.data.order import shuffled
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


def test_an_epoch_has_the_share_of_real_examples():
    """The check of METHODS: 10 n1 / (10 n1 + n2), of all batches of an epoch."""
    n1, n2 = 4, 24
    made = concatenate(labelled(train=n1), labelled(train=n2), times=10, other_times=1)["train"]
    order = shuffled(shape_of(InMemorySource(made)), batch_size=8, seed=3)
    assert order.steps_per_epoch == 8
    rows = np.concatenate([order.batch_indices(step) for step in range(8)])
    assert (made["origin"][rows] == 0).mean() == 10 * n1 / (10 * n1 + n2)
    real = rows[made["origin"][rows] == 0]
    assert np.bincount(made["position"][real]).tolist() == [10] * n1


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


def test_texts_may_be_of_any_lengths():
    first, second = (
        {split: {"text": np.array(texts)} for split in ("train", "test")}
        for texts in (["a"], ["a long text", "b"])
    )
    made = concatenate(first, second, times=2, other_times=1)
    assert made["train"]["text"].tolist() == ["a", "a", "a long text", "b"]
    assert made["test"]["text"].tolist() == ["a"]
