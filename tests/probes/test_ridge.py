import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.preprocessing import StandardScaler

from jcl.errors import UserError
from jcl.probes import regions, regression_scores, ridge, ridge_probe
from tests.probes.blobs import blobs


def years(n, *, seed, width=16):
    """Features of which a line explains a part of the targets, around 1900."""
    features, _ = blobs(n, seed=seed, width=width)
    direction = np.random.default_rng(5).normal(size=width)
    noise = np.random.default_rng(seed + 100).normal(size=n)
    target = 1900 + 5 * features @ direction + 3 * noise + features[:, 0] ** 2
    return features, target.astype(np.float32)


def reference(x, y, l2):
    """scikit-learn sums the squared errors and has alpha on |w|^2: alpha = l2 n."""
    x = x.astype(np.float64)  # or scikit-learn computes in float32
    scaler = StandardScaler().fit(x)
    model = Ridge(alpha=l2 * len(x)).fit(scaler.transform(x), y.astype(np.float64))
    return lambda features: model.predict(scaler.transform(features.astype(np.float64)))


@pytest.mark.parametrize("width", [16, 60])  # more rows than columns, and fewer
@pytest.mark.parametrize("rows", [None, 7])  # sums in one block, and in many
def test_fits_agree_with_scikit_learn(width, rows, monkeypatch):
    if rows:
        monkeypatch.setattr(ridge, "_ROWS", rows)
    x, y = years(50, seed=0, width=width)
    test, _ = years(30, seed=1, width=width)
    used = np.random.default_rng(0).random(50) < 0.8
    train = ridge._Rows(x, y)
    for part in (np.ones(50, bool), used):
        for fit, l2 in zip(train.fits(part, (1.0, 1e-4)), (1.0, 1e-4), strict=True):
            expected = reference(x[part], y[part], l2)(test)
            np.testing.assert_allclose(fit.predict(test), expected, rtol=1e-9)


def test_probe_follows_its_protocol():
    """The same protocol, spelled out with scikit-learn, chooses and scores the same."""
    x, y = years(60, seed=0)
    test, test_y = years(100, seed=1)
    grid, seeds = (1.0, 1e-1, 1e-2, 1e-3), (0, 1, 2, 3)
    chosen, held_out_mae = [], []
    for seed in seeds:
        held = np.random.default_rng(seed).permutation(60) < 6
        errors = [
            mean_absolute_error(y[held], reference(x[~held], y[~held], l2)(x[held])) for l2 in grid
        ]
        chosen.append(grid[int(np.argmin(errors))])
        held_out_mae.append(min(errors))
    assert len(set(chosen)) > 1
    fits = [reference(x, y, l2)(test) for l2 in chosen]

    result = ridge_probe(x, y, test, test_y, seeds=seeds, l2_grid=grid[::-1])

    assert result["l2"] == chosen
    np.testing.assert_allclose(result["held_out_mae"], held_out_mae, rtol=1e-6)
    errors = [mean_absolute_error(test_y, fit) for fit in fits]
    assert result["mae"] == pytest.approx(np.mean(errors), rel=1e-6)
    assert result["mae_std"] == pytest.approx(np.std(errors), rel=1e-6)
    assert result["r2"] == pytest.approx(np.mean([r2_score(test_y, fit) for fit in fits]), rel=1e-6)
    expected = regression_scores(np.stack(fits), test_y)
    for name, value in expected.items():
        np.testing.assert_allclose(result[name], value, rtol=1e-6)
    assert result["regions"]["few"]["mae"] == pytest.approx(
        regions(np.stack(fits), test_y, y, bin_width=1.0)["few"]["mae"], rel=1e-6
    )
    assert result["seeds"] == list(seeds)


def test_scales_shifts_and_constant_columns_do_not_matter():
    x, y = years(60, seed=0)
    test, test_y = years(40, seed=1)
    scale = 2.0 ** np.arange(-24, 24, 3, dtype=np.float32)

    def probe(train, unseen):
        return ridge_probe(train, y, unseen, test_y, seeds=(0,), resamples=0)

    plain = probe(x, test)
    stretched = probe(x * scale, test * scale)
    assert stretched["mae"] == pytest.approx(plain["mae"], rel=1e-9)

    def spoil(a):
        return np.hstack([a, np.full_like(a[:, :2], 1234.567)])

    assert probe(spoil(x), spoil(test))["mae"] == pytest.approx(plain["mae"], rel=1e-9)


def test_constant_features_predict_the_mean():
    _, y = years(60, seed=0)
    x = np.full((60, 3), 7.0, np.float32)
    result = ridge_probe(x, y, x, y, seeds=(0,), resamples=10)
    assert result["mae"] == pytest.approx(np.abs(y - y.mean(dtype=np.float64)).mean())
    assert result["r2"] == pytest.approx(0, abs=1e-9)
    assert result["pearson"] is result["spearman_interval"] is None


def test_penalties_are_tried_until_two_are_no_better():
    x, _ = years(60, seed=0)
    y = np.random.default_rng(3).normal(size=60)  # noise: the stronger the penalty, the better
    tried = []

    class Rows(ridge._Rows):
        def fits(self, used, penalties):
            for penalty, fit in zip(penalties, super().fits(used, penalties), strict=True):
                tried.append(penalty)
                yield fit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ridge, "_Rows", Rows)
        result = ridge_probe(x, y, x, y, seeds=(0,), l2_grid=(1e-3, 1e-2, 1e-1, 1.0, 1e3))
    assert result["l2"] == [1e3]
    assert tried == [1e3, 1.0, 1e-1, 1e3]  # the last one in the final fit


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seeds": ()}, "at least one seed"),
        ({"l2_grid": (0.1, 0.0)}, "positive penalties"),
        ({"held_out": 0.0}, "leaves one side"),
        ({"bin_width": -1.0}, "bin_width"),
    ],
)
def test_mistakes_are_told(change, sentence):
    x, y = years(30, seed=0)
    with pytest.raises(UserError, match=sentence):
        ridge_probe(x, y, x, y, **change)


def test_targets_that_are_not_finite_are_told():
    x, y = years(30, seed=0)
    with pytest.raises(UserError, match="Test targets hold NaN"):
        ridge_probe(x, y, x, np.full_like(y, np.nan))
