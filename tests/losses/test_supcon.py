"""SupCon against its formula, on one device and on meshes."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.losses import nt_xent
from jcl.losses.supcon import supcon
from tests.losses.contrastive_formulas import gradient_tolerance, value_tolerance
from tests.losses.test_two_view_losses import meshes, shard
from tests.losses.two_view_cases import two_view_cases

TEMPERATURES = (0.005, 0.07, 1.0)
CASES = two_view_cases()
# Scattered over devices, of unequal frequency, some alone. The largest are equal as float32.
SOME = np.array([3, 0, 3, -7, 1, 3, 0, 2**31 - 1, 1, 3, 2**31 - 2, 0, 3, 5, -7, 3], np.int32)
LABELS = {
    "some": SOME,
    "all agree": np.full(16, 9, np.int32),
    "all differ": np.arange(16, dtype=np.int32)[::-1] - 4,
}


@pytest.fixture(autouse=True)
def _strict_promotion():
    with jax.numpy_dtype_promotion("strict"):
        yield


def formula(z0, z1, labels, temperature):
    """Value and gradients (of z0, z1, temperature) in float64 from whole matrices.

    The cross-entropy of each anchor's softmax against the uniform distribution over its
    positives; views stand one after the other.
    """
    anchors = 2 * len(z0)
    raw = np.concatenate([np.asarray(z0, np.float64), np.asarray(z1, np.float64)])
    norm = np.linalg.norm(raw, axis=1, keepdims=True)
    z = np.divide(raw, norm, out=np.zeros_like(raw), where=norm > 0)
    not_self = ~np.eye(anchors, dtype=bool)
    logits = z @ z.T / temperature

    log_softmax = logits - np.max(logits, axis=1, keepdims=True, where=not_self, initial=-np.inf)
    exponential = np.where(not_self, np.exp(np.minimum(log_softmax, 0)), 0)
    log_softmax -= np.log(exponential.sum(axis=1, keepdims=True))
    softmax = exponential / exponential.sum(axis=1, keepdims=True)

    tiled = np.tile(np.asarray(labels), 2)
    positives = (tiled[:, None] == tiled[None, :]) & not_self
    target = positives / positives.sum(axis=1, keepdims=True)
    value = -np.sum(target * log_softmax) / anchors

    by_logit = (softmax - target) / anchors
    by_unit = (by_logit + by_logit.T) @ z / temperature
    tangential = by_unit - z * np.sum(z * by_unit, axis=1, keepdims=True)
    by_raw = np.divide(tangential, norm, out=np.zeros_like(raw), where=norm > 0)
    by_temperature = -np.sum(by_logit * logits) / temperature
    return value, (*np.split(by_raw, 2), by_temperature)


@cache
def value_and_gradient(mesh=None, block_size=None):
    def loss(z0, z1, labels, temperature):
        return supcon(z0, z1, labels, temperature=temperature, mesh=mesh, block_size=block_size)

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 3)))


def assert_matches_formula(result, z0, z1, labels, temperature):
    value, gradients = result
    expected, expected_gradients = formula(z0, z1, labels, temperature)
    assert abs(float(value) - expected) <= value_tolerance(expected)
    for z, g, e in zip((z0, z1), gradients[:2], expected_gradients[:2], strict=True):
        # Times the norm: as if the rows had been of unit norm.
        norm = np.linalg.norm(np.asarray(z, np.float64), axis=1, keepdims=True)
        g, e = np.asarray(g, np.float64) * norm, e * norm
        assert np.max(np.abs(g - e)) <= gradient_tolerance(e, temperature, 2 * len(z))
    scale = 2e-5 * max(1, abs(expected_gradients[2]), 1 / temperature) / temperature
    assert abs(float(gradients[2]) - expected_gradients[2]) <= scale


def test_formula_gradients_by_finite_differences():
    inputs = [*np.random.default_rng(0).normal(size=(2, 4, 3)), np.array(0.3)]
    labels = np.array([1, 0, 1, 2])
    _, gradients = formula(*inputs[:2], labels, inputs[2])
    step = 1e-6
    for argument, gradient in enumerate(gradients):
        for position in np.ndindex(np.shape(gradient)):
            values = []
            for signed_step in (step, -step):
                moved = [x.copy() for x in inputs]
                moved[argument][position] += signed_step
                values.append(formula(*moved[:2], labels, moved[2])[0])
            slope = (values[0] - values[1]) / (2 * step)
            assert abs(slope - gradient[position]) < 1e-8


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("case", CASES)
def test_float32(case, kind):
    for temperature in TEMPERATURES:
        inputs = *CASES[case], LABELS[kind]
        result = value_and_gradient()(*inputs, jnp.float32(temperature))
        assert_matches_formula(result, *inputs, temperature)


def test_one_anchor_at_a_time():
    # METHODS' formula in words, with loops: nothing to get wrong in a matrix.
    z0, z1 = (x.astype(np.float64) for x in CASES["random"])
    views = [(x / np.linalg.norm(x), y) for z in (z0, z1) for x, y in zip(z, SOME, strict=True)]
    losses = []
    for i, (anchor, label) in enumerate(views):
        others = [(x @ anchor / 0.07, y) for j, (x, y) in enumerate(views) if j != i]
        denominator = sum(np.exp(s) for s, _ in others)
        matching = [np.log(np.exp(s) / denominator) for s, y in others if y == label]
        losses.append(-sum(matching) / len(matching))
    value, _ = value_and_gradient()(*CASES["random"], SOME, jnp.float32(0.07))
    np.testing.assert_allclose(value, np.mean(losses), rtol=1e-5)


def test_without_shared_labels_it_is_nt_xent():
    @jax.jit
    @jax.value_and_grad
    def expected(views, temperature):
        return nt_xent(*views, temperature=temperature)

    for case in ("random", "zero rows", "near duplicate views"):
        for temperature in TEMPERATURES:
            value, gradients = expected(CASES[case], jnp.float32(temperature))
            result = value_and_gradient()(
                *CASES[case], LABELS["all differ"], jnp.float32(temperature)
            )
            np.testing.assert_allclose(result[0], value, rtol=2e-6, atol=2e-6)
            for g, e in zip(result[1][:2], gradients, strict=True):
                np.testing.assert_allclose(g, e, atol=gradient_tolerance(e, temperature, 32))


def test_float64_and_the_temperature_by_finite_differences():
    with jax.enable_x64(True):
        compiled = value_and_gradient()
        for case in ("random", "near duplicate views", "zero rows"):
            views = [x.astype(np.float64) for x in CASES[case]]
            for temperature in TEMPERATURES:
                value, gradients = compiled(*views, SOME, jnp.float64(temperature))
                assert value.dtype == jnp.float64
                expected, expected_gradients = formula(*views, SOME, temperature)
                np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-11)
                for g, e in zip(gradients, expected_gradients, strict=True):
                    np.testing.assert_allclose(g, e, rtol=1e-10, atol=1e-12 / temperature**2)
                step = 1e-4 * temperature
                above, below = (
                    compiled(*views, SOME, jnp.float64(temperature + signed_step))[0]
                    for signed_step in (step, -step)
                )
                slope = (above - below) / (2 * step)
                np.testing.assert_allclose(gradients[2], slope, rtol=1e-5, atol=1e-6)


def test_bfloat16_is_computed_in_float32():
    rounded = [jnp.asarray(x, jnp.bfloat16) for x in CASES["random"]]
    value, gradients = value_and_gradient()(*rounded, SOME, jnp.float32(0.07))
    in_float32 = [x.astype(jnp.float32) for x in rounded]
    expected, expected_gradients = value_and_gradient()(*in_float32, SOME, jnp.float32(0.07))
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(value, formula(*CASES["random"], SOME, 0.07)[0], rtol=0.02)
    for g, e in zip(gradients[:2], expected_gradients[:2], strict=True):
        assert g.dtype == jnp.bfloat16
        np.testing.assert_allclose(
            np.asarray(g, np.float32), e, rtol=0.01, atol=1e-3 * np.max(np.abs(e))
        )


def test_equivariant_in_the_order_and_blind_to_names():
    z0, z1 = CASES["zero rows"]
    value, gradients = value_and_gradient()(z0, z1, SOME, jnp.float32(0.07))
    order = np.random.default_rng(1).permutation(16)
    permuted_value, permuted = value_and_gradient()(
        z0[order], z1[order], SOME[order], jnp.float32(0.07)
    )
    np.testing.assert_allclose(permuted_value, value, rtol=1e-6)
    for g, p in zip(gradients[:2], permuted[:2], strict=True):
        np.testing.assert_allclose(p, g[order], atol=1e-5)
    _, renamed = np.unique(SOME, return_inverse=True)
    renamed = renamed.astype(np.int32)
    assert value_and_gradient()(z0, z1, renamed, jnp.float32(0.07))[0] == value


@pytest.mark.parametrize("labels", [(4,), (4, 4), (4, 5)])
def test_smallest_batches(labels):
    labels = np.array(labels, np.int32)
    z0, z1 = (x[: len(labels)] for x in CASES["random"])
    for temperature in TEMPERATURES:
        result = value_and_gradient()(z0, z1, labels, jnp.float32(temperature))
        assert_matches_formula(result, z0, z1, labels, temperature)


def test_many_positives_at_a_low_temperature():
    # 2,047 positives for each of 2,048 anchors, with logits of 200 that leave a loss of 8.
    z = np.tile(CASES["random"][0][:1], (1024, 1))
    noise = np.random.default_rng(3).normal(size=(2, 1024, 8)).astype(np.float32)
    labels = np.zeros(1024, np.int32)
    for views in ((z, z), (z + 0.01 * noise[0], z + 0.01 * noise[1])):
        result = value_and_gradient()(*views, labels, jnp.float32(0.005))
        assert_matches_formula(result, *views, labels, 0.005)


def test_block_size_changes_nothing():
    # 32 anchors: six blocks of 5 and a last one of 2.
    for case in ("random", "zero rows"):
        result = value_and_gradient(block_size=5)(*CASES[case], SOME, jnp.float32(0.07))
        assert_matches_formula(result, *CASES[case], SOME, 0.07)


@pytest.mark.parametrize("layout", ["1", "2", "8", "4x2", "interleaved"])
def test_meshes_match_the_formula(layout):
    # The sharded labels are int32; a label compared with a neighbour device's would show here.
    mesh = meshes()[layout]
    for case in ("random", "all rows near each other", "zero rows"):
        for temperature in (0.005, 0.07):
            inputs = shard(mesh, *CASES[case], SOME)
            result = value_and_gradient(mesh)(*inputs, jnp.float32(temperature))
            assert_matches_formula(result, *CASES[case], SOME, temperature)


def test_temperature_as_a_number():
    z0, z1 = (jnp.asarray(x) for x in CASES["random"])
    labels = jnp.asarray(SOME)
    expected = supcon(z0, z1, labels, temperature=jnp.float32(0.5))
    assert supcon(z0, z1, labels, temperature=0.5) == expected
    assert np.isfinite(supcon(z0, z1, labels, temperature=1))


def test_errors_in_one_sentence():
    z0, z1, labels = (jnp.asarray(x[:4]) for x in (*CASES["random"], SOME))
    # Four examples are eight anchors, yet a device cannot hold half an example.
    with pytest.raises(UserError, match=r"^A batch of 4 does not divide by the 8 devices"):
        supcon(z0, z1, labels, temperature=0.1, mesh=meshes()["8"])
    with pytest.raises(UserError, match=r"^block_size is 0, but must be at least 1\.$"):
        supcon(z0, z1, labels, temperature=0.1, block_size=0)
