"""SogCLR against the published formulas in float64, on one device and on meshes."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.losses import sogclr
from tests.losses.contrastive_formulas import gradient_tolerance, two_view_loss, value_tolerance
from tests.losses.test_two_view_losses import meshes, shard
from tests.losses.two_view_cases import two_view_cases

CASES = two_view_cases()
TEMPERATURES = (0.005, 0.03, 0.2, 1.0)


@pytest.fixture(autouse=True)
def _strict_promotion():
    with jax.numpy_dtype_promotion("strict"):
        yield


def formula(z0, z1, u, temperature, gamma):
    """Value, gradients (of z0, z1, temperature) and new u, as published: no logarithm of a sum.

    exp(1 / 0.005) is a float64. Views stand one after the other, and u = 0 was never seen.
    """
    raw = np.concatenate([z0, z1]).astype(np.float64)
    batch, anchors = len(z0), 2 * len(z0)
    norm = np.linalg.norm(raw, axis=1, keepdims=True)
    z = raw / np.where(norm == 0, 1, norm)
    similarity = z @ z.T
    is_negative = np.tile(~np.eye(batch, dtype=bool), (2, 2))
    is_positive = ~is_negative & ~np.eye(anchors, dtype=bool)
    exponential = np.where(is_negative, np.exp(similarity / temperature), 0)
    m = 2 * (batch - 1)
    g = exponential.sum(1) / m
    old = np.tile(np.asarray(u, np.float64), 2)
    u = np.where(old == 0, g, (1 - gamma) * old + gamma * g)
    w = exponential / u[:, None]
    value = np.mean(temperature * np.log(u) - similarity[is_positive])

    # The published surrogate is a mean over examples; a mean over anchors has half its gradient.
    by_raw = surrogate_gradient(z, norm, is_positive, w, m) / 2
    by_temperature = np.mean(np.log(u) - (w * similarity).sum(1) / (m * temperature))
    return value, (by_raw[:batch], by_raw[batch:], by_temperature), (u[:batch] + u[batch:]) / 2


def surrogate(raw, is_positive, w, m):
    """mean_i sum over both views of -(sim(positive) - mean_j w_ij sim(negative j)), w constant."""
    z = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    similarity = z @ z.T
    of_anchors = (w * similarity).sum(1) / m - similarity[is_positive]
    return of_anchors.sum() / (len(raw) / 2)


def surrogate_gradient(z, norm, is_positive, w, m):
    by_similarity = (w / m - is_positive) / (len(z) / 2)
    by_unit = (by_similarity + by_similarity.T) @ z
    by_raw = by_unit - z * (z * by_unit).sum(1, keepdims=True)
    return np.where(norm == 0, 0, by_raw / np.where(norm == 0, 1, norm))


def test_the_formula_by_finite_differences():
    random = np.random.RandomState(0)
    raw, w = random.randn(6, 4), random.rand(6, 6)
    is_positive = np.roll(np.eye(6, dtype=bool), 3, axis=1)
    norm = np.linalg.norm(raw, axis=1, keepdims=True)
    gradient = surrogate_gradient(raw / norm, norm, is_positive, w, 4)
    for position in np.ndindex(6, 4):
        d = np.zeros((6, 4))
        d[position] = 1e-6
        slope = surrogate(raw + d, is_positive, w, 4) - surrogate(raw - d, is_positive, w, 4)
        assert abs(slope / 2e-6 - gradient[position]) < 1e-8


def log_estimates(temperature, dtype=np.float32):
    """What another batch might have left, far too large and too small, and some never seen."""
    z0, z1 = np.random.RandomState(3).randn(2, 16, 8)
    u = formula(z0, z1, np.zeros(16), temperature, 1.0)[2]
    log_u = np.log(u) + np.resize([0, 4, -4, 0.3], 16)
    log_u[::5] = -np.inf
    return log_u.astype(dtype)


@cache
def value_and_gradient(gamma, mesh=None, block_size=None):
    """Jitted once for each gamma, mesh and block size; the temperature is traced."""

    def loss(z0, z1, temperature, log_estimates):
        options = {"temperature": temperature, "gamma": gamma}
        return sogclr(z0, z1, log_estimates, **options, mesh=mesh, block_size=block_size)

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2, 3), has_aux=True))


def assert_matches_formula(result, z0, z1, log_u, temperature, gamma):
    (value, new_log_u), gradients = result
    expected, expected_gradients, new_u = formula(
        z0, z1, np.exp(log_u.astype(np.float64)), temperature, gamma
    )
    assert abs(float(value) - expected) <= value_tolerance(expected)
    np.testing.assert_allclose(
        new_log_u, np.log(new_u), rtol=0, atol=1e-6 * max(1, 1 / temperature)
    )
    for z, g, e in zip((z0, z1), gradients[:2], expected_gradients[:2], strict=True):
        # Times the norm: as if the rows had been of unit norm. The loss is the temperature times
        # one that the tolerance is for.
        norm = np.linalg.norm(np.asarray(z, np.float64), axis=1, keepdims=True) / temperature
        g, e = np.asarray(g, np.float64) * norm, e * norm
        assert np.max(np.abs(g - e)) <= gradient_tolerance(e, temperature, 2 * len(z0))
    scale = max(1, abs(expected_gradients[2]), 1 / temperature)
    assert abs(float(gradients[2]) - expected_gradients[2]) <= 2e-5 * scale
    # None reaches the estimates.
    np.testing.assert_array_equal(gradients[3], np.zeros(len(z0)))


@pytest.mark.parametrize("case", CASES)
def test_float32(case):
    z0, z1 = CASES[case]
    for temperature in TEMPERATURES:
        for log_u in (np.full(16, -np.inf, np.float32), log_estimates(temperature)):
            result = value_and_gradient(0.9)(z0, z1, jnp.float32(temperature), log_u)
            assert_matches_formula(result, z0, z1, log_u, temperature, 0.9)


def test_a_small_gamma_in_float64():
    with jax.enable_x64(True):
        for case in ("random", "zero rows"):
            z0, z1 = (x.astype(np.float64) for x in CASES[case])
            for temperature in TEMPERATURES:
                log_u = log_estimates(temperature, np.float64)
                (value, new_log_u), gradients = value_and_gradient(0.1)(
                    z0, z1, jnp.float64(temperature), log_u
                )
                assert value.dtype == new_log_u.dtype == jnp.float64
                expected, expected_gradients, new_u = formula(
                    z0, z1, np.exp(log_u), temperature, 0.1
                )
                np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-11)
                np.testing.assert_allclose(new_log_u, np.log(new_u), rtol=1e-12, atol=1e-12)
                for g, e in zip(gradients[:3], expected_gradients, strict=True):
                    np.testing.assert_allclose(g, e, rtol=1e-10, atol=1e-12 / temperature)


def test_a_mesh_of_eight_matches_the_formula():
    mesh = meshes()["interleaved"]
    compiled = value_and_gradient(0.9, mesh)
    for case in ("random", "all rows near each other", "zero rows"):
        for temperature in (0.005, 0.2):
            log_u = log_estimates(temperature)
            z0, z1, on_mesh = shard(mesh, *CASES[case], log_u)
            result = compiled(z0, z1, jnp.float32(temperature), on_mesh)
            assert_matches_formula(result, *CASES[case], log_u, temperature, 0.9)


def test_gamma_of_one_forgets_and_is_dcl_times_the_temperature():
    z0, z1 = CASES["random"]
    for temperature in TEMPERATURES:
        of_dcl, of_views = two_view_loss(z0, z1, temperature, decoupled=True)
        for log_u in (np.full(16, -np.inf, np.float32), log_estimates(temperature)):
            (value, _), gradients = value_and_gradient(1.0)(z0, z1, jnp.float32(temperature), log_u)
            # DCL sums over the 30 negatives and u is a mean.
            np.testing.assert_allclose(value, temperature * (of_dcl - np.log(30)), atol=1e-6)
            for g, e in zip(gradients[:2], of_views[:2], strict=True):
                bound = gradient_tolerance(e, temperature, 32)
                np.testing.assert_allclose(g / temperature, e, rtol=0, atol=bound)


def test_bfloat16_is_computed_in_float32():
    views = jax.ShapeDtypeStruct((16, 8), jnp.bfloat16)
    (value, new_log_u), gradients = jax.eval_shape(
        value_and_gradient(0.9), views, views, jnp.float32(0.2), log_estimates(0.2)
    )
    assert value.dtype == new_log_u.dtype == jnp.float32
    assert gradients[0].dtype == jnp.bfloat16


def test_errors_in_one_sentence():
    z0, z1 = (jnp.asarray(x[:4]) for x in CASES["random"])
    log_u = jnp.zeros(4)
    for gamma in (0.0, -0.1, 1.5, float("nan")):
        with pytest.raises(UserError, match=r"^gamma=.* is impossible: it is more than 0 and at"):
            sogclr(z0, z1, log_u, temperature=0.1, gamma=gamma)
    with pytest.raises(UserError, match=r"^sogclr needs at least 2 examples in a batch: [^.]*\.$"):
        sogclr(z0[:1], z1[:1], log_u[:1], temperature=0.1, gamma=0.9)
    with pytest.raises(UserError, match=r"^A batch of 4 does not divide by the 8 devices"):
        sogclr(z0, z1, log_u, temperature=0.1, gamma=0.9, mesh=meshes()["8"])
    with pytest.raises(UserError, match=r"^block_size is 0, but must be at least 1\.$"):
        sogclr(z0, z1, log_u, temperature=0.1, gamma=0.9, block_size=0)
