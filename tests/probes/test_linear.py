import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from jcl.errors import UserError
from jcl.probes import linear, linear_probe, logistic
from tests.probes.blobs import blobs


def reference(x, y, l2):
    """scikit-learn sums the cross-entropy and has C on it: C = 1 / (l2 n)."""
    return LogisticRegression(C=1 / (l2 * len(x)), tol=1e-10, max_iter=20_000).fit(x, y)


def standardised(n=300):
    x, y = blobs(n, seed=0)
    return StandardScaler().fit_transform(x.astype(np.float64)), y


def fit(x, y, l2, *, used=None, rank=16):
    columns = jnp.asarray(x.T, jnp.float32)
    return logistic.fit_logistic(
        columns,
        jnp.asarray(y),
        jnp.asarray(np.ones(len(x)) if used is None else used, jnp.float32),
        jnp.float32(l2),
        logistic.uniform_logistic(x.shape[1], 5),
        logistic.spectrum(columns, rank=rank),
        max_iterations=500,
    )


def objective(x, y, weights, bias, l2):
    """In float64: mean cross-entropy + l2/2 |W|^2, no penalty on the bias."""
    weights, bias = np.asarray(weights, np.float64), np.asarray(bias, np.float64)
    z = x @ weights + bias
    return np.mean(logsumexp(z, axis=1) - z[np.arange(len(y)), y]) + l2 / 2 * np.sum(weights**2)


@pytest.mark.parametrize("l2", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize("rank", [16, 4])  # a preconditioner that is exact, and one that is not
def test_fit_agrees_with_scikit_learn(l2, rank):
    x, y = standardised()
    expected = reference(x, y, l2)
    model = fit(x, y, l2, rank=rank)

    assert model.converged
    assert model.iterations < 100  # tens, where one without a preconditioner takes thousands
    # The objective is within float32's rounding of the minimum; a weak penalty leaves directions
    # so flat that the coefficients differ by the root of that.
    atol = 5e-3 * np.abs(expected.coef_).max()
    np.testing.assert_allclose(model.weights.T, expected.coef_, atol=atol)
    np.testing.assert_allclose(model.bias, expected.intercept_, atol=atol)
    minimum = objective(x, y, expected.coef_.T, expected.intercept_, l2)
    assert abs(objective(x, y, model.weights, model.bias, l2) - minimum) < 1e-6
    predicted = logistic.predict(model, jnp.asarray(x.T, jnp.float32))
    np.testing.assert_array_equal(predicted, expected.predict(x))


def test_rows_of_weight_zero_are_left_out():
    x, y = standardised()
    used = np.random.default_rng(0).random(300) < 0.5
    expected = reference(x[used], y[used], 1e-2)
    np.testing.assert_allclose(fit(x, y, 1e-2, used=used).weights.T, expected.coef_, atol=3e-3)


def test_spectrum_is_that_of_the_covariance():
    x = np.random.default_rng(0).normal(size=(8, 500)) * np.arange(1, 9)[:, None]
    x = x.astype(np.float32)
    expected, directions = np.linalg.eigh(x @ x.T / 500)
    whole = logistic.spectrum(jnp.asarray(x))
    np.testing.assert_allclose(whole.variance, expected, rtol=1e-4)
    np.testing.assert_allclose(np.abs(whole.directions.T @ directions), np.eye(8), atol=1e-3)
    part = logistic.spectrum(jnp.asarray(x), rank=3)
    total = np.sum(part.variance) + 5 * part.rest
    np.testing.assert_allclose(total, expected.sum(), rtol=1e-5)


def test_probe_follows_its_protocol():
    """The same protocol, spelled out with scikit-learn, chooses and scores the same."""
    x, y = blobs(300, seed=0)
    test, test_y = blobs(300, seed=1)
    grid = (1.0, 1e-1, 1e-2)
    expected_l2, expected_top1, expected_held_out = [], [], []
    for seed in (0, 1, 2, 3):
        held = np.random.default_rng(seed).permutation(300) < 30
        scaler = StandardScaler().fit(x[~held])
        scores = [
            reference(scaler.transform(x[~held]), y[~held], l2).score(
                scaler.transform(x[held]), y[held]
            )
            for l2 in grid
        ]
        l2 = grid[int(np.argmax(scores))]
        scaler = StandardScaler().fit(x)
        expected_l2.append(l2)
        expected_held_out.append(max(scores))
        expected_top1.append(
            reference(scaler.transform(x), y, l2).score(scaler.transform(test), test_y)
        )
    assert len(set(expected_l2)) > 1

    result = linear_probe(
        x, y, test, test_y, n_classes=5, seeds=(0, 1, 2, 3), l2_grid=grid[::-1], held_out=0.1
    )

    assert result["l2"] == expected_l2
    np.testing.assert_allclose(result["held_out_top1"], expected_held_out, atol=1e-6)
    np.testing.assert_allclose(result["top1"], np.mean(expected_top1), atol=1e-6)
    np.testing.assert_allclose(result["top1_std"], np.std(expected_top1), atol=1e-6)
    assert result["seeds"] == [0, 1, 2, 3]
    assert result["converged"]


def test_constant_columns_change_nothing():
    x, y = blobs(300, seed=0)
    test, test_y = blobs(300, seed=1)

    def spoil(a, dead, stuck):
        return np.hstack([a[:, :14], np.full_like(a[:, :1], dead), np.full_like(a[:, :1], stuck)])

    def probe(dead, stuck):
        train, unseen = spoil(x, dead, stuck), spoil(test, dead, stuck)
        return linear_probe(train, y, unseen, test_y, n_classes=5, seeds=(0,), l2_grid=(1e-2,))

    plain = probe(0, 0)
    # float32 cannot average 1234.567 exactly, so it must be recognised as constant.
    assert probe(7, 1234.567) == plain
    assert 0.3 < plain["top1"] < 1


def test_only_constant_features_score_the_commonest_class():
    y = np.array([0] * 60 + [1] * 200 + [2] * 40)
    x = np.full((300, 16), 7.0, np.float32)
    result = linear_probe(x, y, x, y, n_classes=5, seeds=(0,))
    assert result["top1"] == pytest.approx(200 / 300)
    assert result["converged"]


def test_scales_and_shifts_of_columns_do_not_matter():
    x, y = blobs(300, seed=0)
    test, test_y = blobs(300, seed=1)
    scale, shift = 10.0 ** np.arange(-8, 8, dtype=np.float32), np.float32(3)
    arguments = {"n_classes": 5, "seeds": (0,), "l2_grid": (1e-2,)}
    plain = linear_probe(x, y, test, test_y, **arguments)
    moved = linear_probe((x - shift) * scale, y, (test - shift) * scale, test_y, **arguments)
    assert moved["top1"] == plain["top1"]


def test_the_iteration_cap_is_recorded(caplog):
    x, y = blobs(300, seed=0)
    result = linear_probe(x, y, x, y, n_classes=5, seeds=(0,), max_iterations=2)
    assert not result["converged"]
    assert result["iterations"] == [2]
    assert "stopped at the limit of 2 iterations" in caplog.text


def test_all_penalties_parts_and_seeds_share_one_compilation():
    x, y = blobs(210, seed=0)
    before = logistic.fit_logistic._cache_size()
    linear_probe(x, y, x, y, n_classes=5, seeds=(0, 1), l2_grid=linear.L2_GRID)
    assert logistic.fit_logistic._cache_size() == before + 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seeds": ()}, "at least one seed"),
        ({"l2_grid": (0.1, 0.0)}, "positive penalties"),
        ({"l2_grid": ()}, "positive penalties"),
        ({"held_out": 0.0}, "leaves one side"),
        ({"held_out": 1.0}, "leaves one side"),
        ({"n_classes": 4}, "n_classes=4 allows 0 to 3"),
    ],
)
def test_mistakes_are_told(change, sentence):
    x, y = blobs(30, seed=0)
    with pytest.raises(UserError, match=sentence):
        linear_probe(x, y, x, y, **({"n_classes": 5} | change))
