import numpy as np
import pytest

from jcl.errors import UserError
from jcl.probes import choose_share, low_shot


@pytest.fixture
def label():
    """Three classes of 700, 290 and 10 examples, in random order."""
    return np.random.default_rng(0).permutation(np.repeat([0, 4, 9], [700, 290, 10]))


def test_shares_are_stratified(label):
    rows = choose_share(0.1, n=1000, label=label, seed=0)
    np.testing.assert_array_equal(np.bincount(label[rows])[[0, 4, 9]], [70, 29, 1])
    assert (np.diff(rows) > 0).all()
    # 0.1 of ten is one; 0.01 is none, and still each class has one.
    rows = choose_share(0.01, n=1000, label=label, seed=0)
    np.testing.assert_array_equal(np.bincount(label[rows])[[0, 4, 9]], [7, 2, 1])


def test_the_whole_is_the_rounded_share():
    label = np.arange(1000) % 3
    for share in (0.013, 0.29, 0.5, 1.0):
        rows = choose_share(share, n=1000, label=label, seed=0)
        assert len(rows) == round(share * 1000)
        assert np.ptp(np.bincount(label[rows])) <= 1
    np.testing.assert_array_equal(rows, np.arange(1000))


def test_seeds_draw_subsets_of_one_size_that_differ(label):
    for labels in (None, label):
        subsets = [choose_share(0.1, n=1000, label=labels, seed=seed) for seed in range(20)]
        assert {len(rows) for rows in subsets} == {100}
        assert not np.array_equal(subsets[0], subsets[1])
        np.testing.assert_array_equal(subsets[1], choose_share(0.1, n=1000, label=labels, seed=1))
    # Without labels all rows are equally likely: 20 draws of 100 miss a row with 0.9^20 = 12%.
    assert 0.08 < 1 - len(np.unique(np.concatenate(subsets))) / 1000 < 0.17


def test_scores_are_means_over_the_seeds_own_subsets(label):
    seen = []

    def probe(rows, seed):
        seen.append((rows, seed))
        return {"mae": float(seed), "r2": None if seed else 0.5, "other": 1}

    measured = low_shot(
        probe, (0.1, 0.5), n=1000, label=label, seeds=(0, 1, 5), names=("mae", "r2")
    )
    expected = {"mae": 2.0, "r2": None, "mae_std": pytest.approx(np.std([0, 1, 5]))}
    assert measured == {
        "0.1": {**expected, "examples": 100},
        "0.5": {**expected, "examples": 500},
    }
    assert [seed for _, seed in seen] == [0, 1, 5, 0, 1, 5]
    np.testing.assert_array_equal(seen[1][0], choose_share(0.1, n=1000, label=label, seed=1))


def test_a_share_of_too_few_examples_is_left_out_and_said(caplog):
    measured = low_shot(
        lambda rows, seed: {"mae": 1.0}, (0.001, 0.02), n=500, seeds=(0,), names=("mae",)
    )
    assert set(measured) == {"0.02"}
    assert "0.001 of 500 training examples is 1, but 10 are needed" in caplog.text


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5, float("nan")])
def test_shares_lie_between_zero_and_one(share):
    with pytest.raises(UserError, match=r"\(0, 1\]"):
        choose_share(share, n=100, seed=0)


def test_mistakes_are_told():
    with pytest.raises(UserError, match="There are 3 examples but labels"):
        choose_share(0.5, n=3, label=np.zeros(2, np.int32), seed=0)
    with pytest.raises(UserError, match="no examples"):
        choose_share(0.5, n=0, seed=0)
