"""The diamonds, against pandas' reading of the table that plotnine itself loads."""

import importlib.util

import numpy as np
import pytest

from jcl.data.prepare.diamonds import FEATURES, read_diamonds
from jcl.errors import UserError


@pytest.fixture(scope="module")
def splits():
    return read_diamonds(0)


@pytest.fixture(scope="module")
def table():
    """What plotnine says of the table: its categories are ordered from the worst to the best."""
    from plotnine.data import diamonds

    data = diamonds.drop_duplicates()
    for column in ("cut", "color", "clarity"):
        data[column] = data[column].cat.codes
    data["color"] = 6 - data["color"]  # plotnine orders the letters, D to J
    return data


def test_every_distinct_row_stands_in_one_split(splits, table):
    train, test = splits["train"], splits["test"]
    assert (len(train["target"]), len(test["target"])) == (43_036, 10_758)
    assert train["features"].shape == (43_036, 9)
    assert {a.dtype for arrays in splits.values() for a in arrays.values()} == {np.dtype("f4")}
    together = np.concatenate([np.c_[a["features"], a["target"]] for a in (train, test)])
    assert len(np.unique(together, axis=0)) == len(together) == len(table)


def test_the_splits_hold_the_table(splits, table):
    """Standardised with the training split alone, in the table's order."""
    values = table[[*FEATURES, "price"]].to_numpy(np.float64)
    values[:, -1] = np.log(values[:, -1]) / np.log(10) * 100
    position = {row.tobytes(): i for i, row in enumerate(values.astype(np.float32))}
    assert len(position) == len(values)
    # Undo the standardisation by a straight line through each feature's extremes.
    features, target = (
        np.concatenate([splits[s][key] for s in ("train", "test")])
        for key in ("features", "target")
    )
    low, high = features.min(0), features.max(0)
    true_low, true_high = values[:, :-1].min(0), values[:, :-1].max(0)
    undone = true_low + (features - low) / (high - low) * (true_high - true_low)
    rows = np.c_[undone.round(2), target].astype(np.float32)
    order = [position[row.tobytes()] for row in rows]
    train, test = order[:43_036], order[43_036:]
    assert sorted(order) == list(range(len(values)))
    assert train == sorted(train)
    assert test == sorted(test)
    mean, deviation = values[train, :-1].mean(0), values[train, :-1].std(0)
    expected = (values[order, :-1] - mean) / deviation
    np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-5)


def test_the_test_split_is_random(splits):
    assert np.mean(splits["test"]["target"]) == pytest.approx(
        np.mean(splits["train"]["target"]), abs=1.5
    )  # three standard errors; the table is ordered by price, in part
    other = read_diamonds(1)
    assert not np.array_equal(other["test"]["target"], splits["test"]["target"])


def test_the_target_is_in_units_of_2_3_percent(splits):
    target = np.concatenate([arrays["target"] for arrays in splits.values()])
    np.testing.assert_allclose(10 ** (target.min() / 100), 326, rtol=1e-5)
    np.testing.assert_allclose(10 ** (target.max() / 100), 18_823, rtol=1e-5)


def test_without_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="plotnine, which is not installed: pip install plotnine"):
        read_diamonds(0)
    spec = importlib.util.spec_from_file_location("plotnine", tmp_path / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(UserError, match=r"plotnine has no .*diamonds\.csv"):
        read_diamonds(0)
