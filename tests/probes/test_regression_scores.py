import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from jcl.errors import UserError
from jcl.probes import regions, regression_scores
from jcl.probes.regression_scores import SCORES


def libraries(predicted, target):
    """The five scores by scikit-learn and SciPy."""
    return {
        "mae": mean_absolute_error(target, predicted),
        "rmse": root_mean_squared_error(target, predicted),
        "r2": r2_score(target, predicted),
        "pearson": stats.pearsonr(target, predicted).statistic,
        "spearman": stats.spearmanr(target, predicted).statistic,
    }


def ages(n=80, seed=0):
    """Targets with many ties, far from zero, and predictions, with some."""
    rng = np.random.default_rng(seed)
    target = rng.integers(20, 40, n).astype(np.float64)
    return target + rng.integers(-9, 9, n) / 2, target


def test_scores_agree_with_scikit_learn_and_scipy():
    predicted, target = ages()
    scores = regression_scores(predicted, target, resamples=0)
    assert set(scores) == set(SCORES)
    assert all(type(value) is float for value in scores.values())
    for name, value in libraries(predicted, target).items():
        assert scores[name] == pytest.approx(value, rel=1e-9)


def test_intervals_are_those_of_resamples_scored_one_by_one():
    predicted, target = ages()
    ours = regression_scores(predicted, target, resamples=50, seed=3)
    drawn = np.random.default_rng(3).integers(0, 80, (50, 80))
    each = [libraries(predicted[rows], target[rows]) for rows in drawn]
    for name in SCORES:
        expected = np.percentile([scores[name] for scores in each], [2.5, 97.5])
        np.testing.assert_allclose(ours[f"{name}_interval"], expected, rtol=1e-9)


def test_intervals_agree_with_scipys_bootstrap():
    error = np.random.default_rng(0).gamma(2, size=500)
    reference = stats.bootstrap(
        (error,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    ours = regression_scores(error, np.zeros(500), resamples=4000)
    np.testing.assert_allclose(ours["mae_interval"], reference, atol=0.01)


def test_several_fits_are_averaged_within_resamples():
    (first, target), (second, _) = ages(), ages(seed=1)
    both = regression_scores(np.stack([first, second]), target, resamples=50)
    each = [regression_scores(fit, target, resamples=0) for fit in (first, second)]
    for name in SCORES:
        assert both[name] == pytest.approx(np.mean([scores[name] for scores in each]))
    alike = regression_scores(np.stack([first, first]), target, resamples=50)
    for name, value in regression_scores(first, target, resamples=50).items():
        np.testing.assert_allclose(alike[name], value)
    low, high = both["mae_interval"]
    assert low < both["mae"] < high


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6 + 0.1])
def test_what_is_undefined_is_none(constant):
    _, target = ages()
    still = np.full(80, constant)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = regression_scores(still, target, resamples=20)
        of_constant = regression_scores(target, still, resamples=20)
        one = regression_scores(np.ones(1), np.array([2.0]), resamples=20)
    for name in ("pearson", "spearman"):
        assert scores[name] is scores[f"{name}_interval"] is None
    assert scores["r2"] == pytest.approx(r2_score(target, still))
    for undefined in (of_constant, one):
        assert undefined["r2"] is undefined["pearson"] is undefined["spearman"] is None
    assert one["mae_interval"] == [1.0, 1.0]


def test_regions_count_training_examples_in_the_bin():
    # Bins 0, 1, 2, 3 hold 101, 100, 20 and 19 examples; bin 4 holds none.
    train = np.repeat([0.4, 1.6, 4.0, 6.2], [101, 100, 20, 19])
    target = np.array([0.5, 2.5, 2.0, 4.0, 6.0, 8.0])
    predicted = target + np.arange(1.0, 7)
    found = regions(predicted, target, train, bin_width=2.0)
    medium, few = np.array([2.0, 3, 4]), np.array([5.0, 6])
    assert found == {
        "many": {"mae": 1.0, "rmse": 1.0, "n": 1},
        "medium": {"mae": 3.0, "rmse": pytest.approx(np.sqrt(np.mean(medium**2))), "n": 3},
        "few": {"mae": 5.5, "rmse": pytest.approx(np.sqrt(np.mean(few**2))), "n": 2},
    }
    assert set(regions(predicted[:1], target[:1], train, bin_width=2.0)) == {"many"}
    two = regions(np.stack([predicted, predicted + 1]), target, train, bin_width=2.0)
    rmse = np.mean([np.sqrt(np.mean(few**2)), np.sqrt(np.mean((few + 1) ** 2))])
    assert two["few"] == {"mae": 6.0, "rmse": pytest.approx(rmse), "n": 2}


@pytest.mark.parametrize(
    ("predicted", "target", "sentence"),
    [
        (np.array([0.0, np.nan]), np.zeros(2), "Predictions hold NaN"),
        (np.zeros(2), np.array([0.0, np.inf]), "Targets hold NaN"),
        (np.zeros(0), np.zeros(0), "at least one"),
    ],
)
def test_mistakes_are_told(predicted, target, sentence):
    with pytest.raises(UserError, match=sentence):
        regression_scores(predicted, target)


def test_a_bin_needs_a_width():
    with pytest.raises(UserError, match="bin_width"):
        regions(np.zeros(2), np.zeros(2), np.zeros(2), bin_width=0.0)
    with pytest.raises(UserError, match="resamples"):
        regression_scores(np.zeros(2), np.zeros(2), resamples=-1)
