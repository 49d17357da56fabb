"""Mixing coefficients: the Beta distribution by SciPy, independence by counting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jcl.errors import UserError
from jcl.losses.beta_mixing import (
    beta_quantiles,
    column_words,
    pair_coefficients,
    pair_salt,
    row_words,
)

PARAMETERS = [(2.0, 8.0), (8.0, 2.0), (5.0, 5.0), (1.0, 1.0), (0.5, 0.5), (0.1, 3.0), (300.0, 0.7)]
SIZE = 1024
UNIFORM = jnp.asarray(beta_quantiles(1.0, 1.0), jnp.float32)
position = np.arange(SIZE)


def draw(seed=0, quantiles=UNIFORM, i=position, k=position):
    salt = pair_salt(jax.random.key(seed))
    rows, columns = row_words(salt, jnp.asarray(i)), column_words(salt, jnp.asarray(k))
    return np.asarray(pair_coefficients(rows[:, None], columns, quantiles))


@pytest.mark.parametrize(("a", "b"), PARAMETERS)
def test_quantiles(a, b):
    quantiles = beta_quantiles(a, b)
    probability = (np.arange(16384) + 0.5) / 16384
    np.testing.assert_allclose(quantiles, stats.beta.ppf(probability, a, b), rtol=1e-5)
    # The distribution function of equally likely quantiles, just before and at each of them.
    cumulative = stats.beta.cdf(quantiles, a, b)
    steps = np.arange(16385) / 16384
    distance = max(np.max(cumulative - steps[:-1]), np.max(steps[1:] - cumulative))
    if a > 0.2 and b > 0.8:  # else float64 itself is too coarse next to 0 or 1
        assert distance < 1.02 / 32768


@pytest.mark.parametrize(("a", "b"), [(2.0, 8.0), (5.0, 5.0), (0.5, 0.5)])
def test_draws_follow_the_distribution(a, b):
    draws = draw(quantiles=jnp.asarray(beta_quantiles(a, b), jnp.float32))[:256].ravel()
    assert stats.kstest(draws, stats.beta(a, b).cdf).pvalue > 1e-3


@pytest.mark.parametrize("seed", [0, 1, 123456789])
def test_uniform_in_every_row_and_column(seed):
    uniform = draw(seed)
    for matrix in (uniform, uniform.T):
        counts = np.stack([np.histogram(row, 64, (0, 1))[0] for row in matrix])
        p = stats.chisquare(counts, axis=1).pvalue
        # The p-values of independent rows are uniform themselves.
        assert stats.kstest(p, "uniform").pvalue > 1e-3
    # All 16384 values of the table, equally often.
    counts = np.bincount((uniform.ravel() * 16384).astype(int), minlength=16384)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_pairs_are_independent():
    normal = stats.norm.ppf(draw(7).astype(np.float64))
    other_key = stats.norm.ppf(draw(8).astype(np.float64))

    def z_score(x, y):
        return np.sum(x * y) / np.sqrt(x.size)

    upper = np.triu_indices(SIZE, 1)
    scores = [z_score(normal, other_key), z_score(normal[upper], normal.T[upper])]
    for step in (1, 2, 3, 4, 8, 16, 64, 256, 512):
        scores.append(z_score(normal[step:], normal[:-step]))
        scores.append(z_score(normal[:, step:], normal[:, :-step]))
        scores.append(z_score(normal[step:, step:], normal[:-step, :-step]))
        # Squares too: independent, not only uncorrelated.
        scores.append(z_score(normal[step:] ** 2 - 1, normal[:-step] ** 2 - 1) / 2)
    assert np.max(np.abs(scores)) < 4, scores
    # All pairs of rows, and of columns: the correlation matrix of independent noise has its
    # largest eigenvalue at (1 + 1)^2 = 4.
    correlation = normal @ normal.T / SIZE
    assert np.max(np.linalg.eigvalsh(correlation)) < 4.2
    off_diagonal = correlation[upper] * np.sqrt(SIZE)
    assert 0.99 < np.std(off_diagonal) < 1.01


def test_a_function_of_key_and_pair_alone():
    whole = draw(3)
    rows, columns = np.array([5, 1000, 0]), np.array([17, 5, 900, 1])
    np.testing.assert_array_equal(draw(3, i=rows, k=columns), whole[np.ix_(rows, columns)])
    jitted = jax.jit(jax.vmap(pair_coefficients, in_axes=(0, None, None)))
    salt = pair_salt(jax.random.key(3))
    words = [make(salt, jnp.asarray(position)) for make in (row_words, column_words)]
    one_by_one = jitted(*words, UNIFORM)
    np.testing.assert_array_equal(one_by_one, whole)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(draw(3, i=rows.astype(np.int64)), whole[rows])


def test_every_kind_of_key():
    salts = [
        pair_salt(key)
        for key in (
            jax.random.key(0),
            jax.random.PRNGKey(0),
            jax.random.key(1),
            jax.random.key(0, impl="rbg"),
        )
    ]
    np.testing.assert_array_equal(salts[0], salts[1])
    assert len(np.unique(np.stack(salts[1:]))) == 12


@pytest.mark.parametrize("beta", [(0.0, 8.0), (2.0, -1.0), (np.nan, 1.0), (np.inf, 1.0)])
def test_impossible_parameters(beta):
    with pytest.raises(UserError, match=r"^beta is \(.*\), but must be two positive numbers\.$"):
        beta_quantiles(*beta)
