"""InfoNCE against its formula, on one device and on meshes."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.losses.info_nce import info_nce
from tests.losses.contrastive_formulas import (
    gradient_tolerance,
    two_tower_loss,
    value_tolerance,
)
from tests.losses.test_two_view_losses import meshes, shard
from tests.losses.two_view_cases import two_view_cases

TEMPERATURES = (0.005, 0.07, 1.0)
CASES = two_view_cases()


@pytest.fixture(autouse=True)
def _strict_promotion():
    with jax.numpy_dtype_promotion("strict"):
        yield


@cache
def value_and_gradient(mesh=None, block_size=None):
    def loss(queries, keys, temperature):
        return info_nce(queries, keys, temperature=temperature, mesh=mesh, block_size=block_size)

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))


def assert_matches_formula(result, queries, keys, temperature):
    value, gradients = result
    expected, expected_gradients = two_tower_loss(queries, keys, temperature)
    assert abs(float(value) - expected) <= value_tolerance(expected)
    for x, g, e in zip((queries, keys), gradients[:2], expected_gradients[:2], strict=True):
        # Times the norm: as if the rows had been of unit norm.
        norm = np.linalg.norm(np.asarray(x, np.float64), axis=1, keepdims=True)
        g, e = np.asarray(g, np.float64) * norm, e * norm
        assert np.max(np.abs(g - e)) <= gradient_tolerance(e, temperature, 2 * len(x))
    scale = 2e-5 * max(1, abs(expected_gradients[2]), 1 / temperature) / temperature
    assert abs(float(gradients[2]) - expected_gradients[2]) <= scale


def test_formula_gradients_by_finite_differences():
    inputs = [*np.random.default_rng(0).normal(size=(2, 3, 4)), np.array(0.3)]
    _, gradients = two_tower_loss(*inputs)
    step = 1e-6
    for argument, gradient in enumerate(gradients):
        for position in np.ndindex(np.shape(gradient)):
            values = []
            for signed_step in (step, -step):
                moved = [x.copy() for x in inputs]
                moved[argument][position] += signed_step
                values.append(two_tower_loss(*moved)[0])
            slope = (values[0] - values[1]) / (2 * step)
            assert abs(slope - gradient[position]) < 1e-8


@pytest.mark.parametrize("case", CASES)
def test_float32(case):
    for temperature in TEMPERATURES:
        result = value_and_gradient()(*CASES[case], jnp.float32(temperature))
        assert_matches_formula(result, *CASES[case], temperature)


def test_values_known_by_hand():
    def value(queries, keys, temperature):
        return float(value_and_gradient()(queries, keys, jnp.float32(temperature))[0])

    # All pairs look alike: every sum has B terms, neither B - 1 nor 2B - 1.
    np.testing.assert_allclose(value(*CASES["identical rows"], 0.07), np.log(16), rtol=1e-6)
    # Queries that are all the same find no key, but every key finds its query among equals:
    # log sum_j exp s(k_j) - mean_j s(k_j) one way and log B the other.
    direction = np.eye(1, 8, dtype=np.float32)
    cosine = np.linspace(-1, 1, 16, dtype=np.float32)[:, None]
    keys = cosine * direction + np.sqrt(1 - cosine**2) * np.eye(1, 8, 1, dtype=np.float32)
    among_keys = np.log(np.sum(np.exp(cosine / 0.07, dtype=np.float64)))
    expected = (among_keys + np.log(16)) / 2
    np.testing.assert_allclose(value(np.tile(direction, (16, 1)), keys, 0.07), expected, rtol=1e-6)


def test_float64_and_the_temperature_by_finite_differences():
    with jax.enable_x64(True):
        compiled = value_and_gradient()
        for case in ("random", "near duplicate views", "zero rows"):
            queries, keys = (x.astype(np.float64) for x in CASES[case])
            for temperature in TEMPERATURES:
                value, gradients = compiled(queries, keys, jnp.float64(temperature))
                assert value.dtype == jnp.float64
                expected, expected_gradients = two_tower_loss(queries, keys, temperature)
                np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-11)
                for g, e in zip(gradients, expected_gradients, strict=True):
                    np.testing.assert_allclose(g, e, rtol=1e-10, atol=1e-12 / temperature**2)
                step = 1e-4 * temperature
                above, below = (
                    compiled(queries, keys, jnp.float64(temperature + signed_step))[0]
                    for signed_step in (step, -step)
                )
                slope = (above - below) / (2 * step)
                np.testing.assert_allclose(gradients[2], slope, rtol=1e-5, atol=1e-6)


def test_bfloat16_is_computed_in_float32():
    rounded = [jnp.asarray(x, jnp.bfloat16) for x in CASES["random"]]
    value, gradients = value_and_gradient()(*rounded, jnp.float32(0.07))
    in_float32 = [x.astype(jnp.float32) for x in rounded]
    expected, expected_gradients = value_and_gradient()(*in_float32, jnp.float32(0.07))
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(value, two_tower_loss(*CASES["random"], 0.07)[0], rtol=0.02)
    for g, e in zip(gradients[:2], expected_gradients[:2], strict=True):
        assert g.dtype == jnp.bfloat16
        np.testing.assert_allclose(
            np.asarray(g, np.float32), e, rtol=0.01, atol=1e-3 * np.max(np.abs(e))
        )


def test_symmetric_in_the_towers_and_equivariant_in_the_order():
    queries, keys = CASES["zero rows"]
    value, gradients = value_and_gradient()(queries, keys, jnp.float32(0.07))
    swapped_value, swapped = value_and_gradient()(keys, queries, jnp.float32(0.07))
    order = np.random.default_rng(1).permutation(16)
    permuted_value, permuted = value_and_gradient()(queries[order], keys[order], jnp.float32(0.07))
    np.testing.assert_allclose([swapped_value, permuted_value], [value, value], rtol=1e-6)
    for g, s, p in zip(gradients[:2], swapped[1::-1], permuted[:2], strict=True):
        np.testing.assert_allclose(s, g, atol=1e-5)
        np.testing.assert_allclose(p, g[order], atol=1e-5)


@pytest.mark.parametrize("batch", [1, 2])
def test_smallest_batches(batch):
    queries, keys = (x[:batch] for x in CASES["random"])
    for temperature in TEMPERATURES:
        result = value_and_gradient()(queries, keys, jnp.float32(temperature))
        assert_matches_formula(result, queries, keys, temperature)


def test_block_size_changes_nothing():
    # 16 pairs: three blocks of 5 and a last one of 1.
    for case in ("random", "zero rows"):
        result = value_and_gradient(block_size=5)(*CASES[case], jnp.float32(0.07))
        assert_matches_formula(result, *CASES[case], 0.07)


@pytest.mark.parametrize("layout", ["1", "2", "8", "4x2", "interleaved"])
def test_meshes_match_the_formula(layout):
    mesh = meshes()[layout]
    for case in ("random", "all rows near each other", "zero rows"):
        for temperature in (0.005, 0.07):
            pairs = shard(mesh, *CASES[case])
            result = value_and_gradient(mesh)(*pairs, jnp.float32(temperature))
            assert_matches_formula(result, *CASES[case], temperature)


def test_temperature_as_a_number():
    queries, keys = (jnp.asarray(x) for x in CASES["random"])
    expected = info_nce(queries, keys, temperature=jnp.float32(0.5))
    assert info_nce(queries, keys, temperature=0.5) == expected
    assert np.isfinite(info_nce(queries, keys, temperature=1))


def test_errors_in_one_sentence():
    queries, keys = (jnp.asarray(x[:4]) for x in CASES["random"])
    with pytest.raises(UserError, match=r"^A batch of 4 does not divide by the 8 devices"):
        info_nce(queries, keys, temperature=0.1, mesh=meshes()["8"])
    with pytest.raises(UserError, match=r"^block_size is 0, but must be at least 1\.$"):
        info_nce(queries, keys, temperature=0.1, block_size=0)
