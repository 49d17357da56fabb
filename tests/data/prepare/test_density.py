"""Which examples a density chooses, against the formulas of the densities."""

import numpy as np
import pytest

from jcl.data.order import batch_hash
from jcl.data.prepare.density import sample_by_density
from jcl.data.prepare.subset import take_subset
from jcl.errors import UserError

LOW, HIGH, BINS = -3.0, 9.0, 60
# Plenty everywhere, and far from uniform: 200 rows in each bin at least.
TARGET = np.concatenate(
    [
        np.random.default_rng(0).beta(2, 5, 40_000) * 12 - 3,
        np.repeat(np.linspace(LOW + 0.1, HIGH - 0.1, BINS), 200),
        [LOW, HIGH],
    ]
).astype(np.float32)


def histogram(target, bins):
    return np.histogram(target, bins, range=(LOW, HIGH))[0]


@pytest.mark.parametrize("density", ["uniform", "exponential"])
def test_few_examples_are_spread_over_all_bins(density):
    """Any run of bins has its due, up to 1: what rounding leaves does not gather at one end."""
    rows = sample_by_density(TARGET, examples=90, density=density, seed=0)
    counts = histogram(TARGET[rows], BINS)
    edges = np.arange(BINS + 1) / BINS
    if density == "exponential":
        edges = (1 - 100**-edges) / 0.99
    assert np.abs(np.cumsum(counts) - 90 * edges[1:]).max() <= 0.51


@pytest.mark.parametrize("seed", [0, 3])
def test_uniform_is_flat(seed):
    rows = sample_by_density(TARGET, examples=6010, density="uniform", seed=seed)
    counts = histogram(TARGET[rows], BINS)
    assert set(counts) == {100, 101}


def test_exponential_falls_by_a_hundred():
    rows = sample_by_density(TARGET, examples=2000, density="exponential", seed=0)
    counts = histogram(TARGET[rows], BINS)
    # The integral of the density over each bin, not its value in the middle.
    edges = 100 ** -(np.arange(BINS + 1) / BINS)
    expected = 2000 * -np.diff(edges) / (edges[0] - edges[-1])
    np.testing.assert_allclose(counts, expected, atol=1)
    assert expected[0] / expected[-1] == pytest.approx(100 ** (59 / 60))


def test_what_a_bin_lacks_is_shared_in_proportion():
    """Ten bins; the third holds 5 rows of the 50 that it should have, the sixth none."""
    target = np.concatenate([np.linspace(i + 0.05, i + 0.95, 400) for i in range(10)])
    target[0], target[-1] = 0, 10
    keep = (np.floor(target) != 2) | (np.arange(len(target)) % 80 == 0)
    target = target[keep & (np.floor(target) != 5)]
    for density in ("uniform", "exponential"):
        rows = sample_by_density(target, examples=500, density=density, seed=0, bins=10)
        counts = np.histogram(target[rows], 10, range=(0, 10))[0]
        weights = np.ones(10) if density == "uniform" else 100 ** -((np.arange(10) + 0.5) / 10)
        weights[[2, 5]] = 0
        expected = 495 * weights / weights.sum()
        expected[2] = 5
        np.testing.assert_allclose(counts, expected, atol=1)


def test_rows_are_distinct_rising_and_drawn_from_all_of_a_bin():
    rows = sample_by_density(TARGET, examples=3000, density="uniform", seed=0)
    assert rows.dtype == np.int64
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0
    assert rows[-1] < len(TARGET)
    # With 5 of 200 rows and more from every bin, chance alone decides: two draws differ.
    few = [sample_by_density(TARGET, examples=300, density="uniform", seed=s) for s in (0, 1)]
    assert len(np.intersect1d(*few)) < 20
    assert np.mean(few[0] / len(TARGET)) == pytest.approx(np.mean(few[1] / len(TARGET)), abs=0.1)


@pytest.mark.parametrize("density", ["uniform", "exponential"])
@pytest.mark.parametrize("missing", [0, 1, 7])
def test_all_rows_but_a_few(density, missing):
    examples = len(TARGET) - missing
    rows = sample_by_density(TARGET, examples=examples, density=density, seed=0)
    assert len(np.unique(rows)) == len(rows) == examples


def test_the_choice_is_pinned():
    """No upgrade may change which examples a dataset holds."""
    rows = sample_by_density(
        (np.arange(1000) * 37 % 1000).astype(np.float32), examples=50, density="uniform", seed=5
    )
    assert batch_hash(rows) == "dcadad0fae2298c3"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"examples": 5}, "5 examples are asked for, but it must be 1 to 4"),
        ({"examples": 0}, "0 examples are asked for"),
        ({"density": "normal"}, "'normal' is unknown; allowed: uniform, exponential"),
        ({"target": np.ones(4)}, "1 everywhere"),
    ],
)
def test_refuses_in_one_sentence(changes, message):
    options = {"target": np.arange(4.0), "examples": 2, "density": "uniform", "seed": 0}
    with pytest.raises(UserError, match=message):
        sample_by_density(**{**options, **changes})


def splits(**extra):
    arrays = {
        "image": np.arange(400, dtype=np.uint8).reshape(400, 1, 1, 1),
        "target": np.linspace(0, 1, 400, dtype=np.float32) ** 3,
    }
    return {"train": dict(arrays), "test": {key: a[:300] for key, a in arrays.items()}, **extra}


def subset(given, **options):
    defaults = {"train_examples": None, "test_examples": None, "target_density": None, "seed": 0}
    return take_subset(given, **{**defaults, **options})


def test_a_subset_by_density_has_a_uniform_test_split():
    chosen = subset(splits(), train_examples=60, test_examples=30, target_density="exponential")
    for split, n in (("train", 60), ("test", 30)):
        image, target = chosen[split]["image"], chosen[split]["target"]
        assert len(image) == n
        rows = np.flatnonzero(np.isin(splits()[split]["target"], target))
        np.testing.assert_array_equal(image[:, 0, 0, 0], rows.astype(np.uint8))
    train, test = (chosen[split]["target"] for split in ("train", "test"))
    assert np.mean(train < 0.5) > 0.85
    assert np.mean(test < test.max() / 2) == pytest.approx(0.5, abs=0.1)


def test_a_subset_without_a_density_is_random():
    chosen = subset(splits(), train_examples=100)
    rows = np.searchsorted(splits()["train"]["target"], chosen["train"]["target"])
    assert len(np.unique(rows)) == 100
    assert np.mean(rows) == pytest.approx(200, abs=35)  # three standard deviations
    assert np.ptp(np.diff(rows)) > 3
    assert len(chosen["test"]["image"]) == 300
    other = subset(splits(), train_examples=100, seed=1)
    assert not np.array_equal(other["train"]["target"], chosen["train"]["target"])
    everything = subset(splits())
    np.testing.assert_array_equal(everything["train"]["image"], splits()["train"]["image"])


def test_a_subset_refuses_in_one_sentence():
    with pytest.raises(UserError, match="numbers of training and of test"):
        subset(splits(), train_examples=3, target_density="uniform")
    with pytest.raises(UserError, match="401 examples are asked for"):
        subset(splits(), train_examples=401)
    images = {split: {"image": arrays["image"]} for split, arrays in splits().items()}
    with pytest.raises(UserError, match="needs a target"):
        subset(images, train_examples=3, test_examples=3, target_density="uniform")
