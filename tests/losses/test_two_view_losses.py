"""NT-Xent, DCL and DCLW against the formulas, on one device and on meshes."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jcl.errors import UserError
from jcl.losses import dcl, nt_xent
from tests.losses.contrastive_formulas import gradient_tolerance, two_view_loss, value_tolerance
from tests.losses.two_view_cases import two_view_cases

LOSSES = {
    "nt_xent": (nt_xent, {"decoupled": False}),
    "dcl": (dcl, {"decoupled": True}),
    "dclw": (
        lambda z0, z1, **kwargs: dcl(z0, z1, weight_sigma=0.5, **kwargs),
        {"decoupled": True, "weight_sigma": 0.5},
    ),
}
TEMPERATURES = (0.005, 0.03, 0.1, 1.0)
CASES = two_view_cases()
every_loss = pytest.mark.parametrize("name", LOSSES)


@pytest.fixture(autouse=True)
def _strict_promotion():
    with jax.numpy_dtype_promotion("strict"):
        yield


@cache
def value_and_gradient(name, mesh=None, block_size=None):
    """Jitted once for each loss, mesh and block size; the temperature is traced."""

    def loss(z0, z1, temperature):
        return LOSSES[name][0](z0, z1, temperature=temperature, mesh=mesh, block_size=block_size)

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))


def assert_matches_formula(result, name, z0, z1, temperature):
    value, gradients = result
    expected, expected_gradients = two_view_loss(z0, z1, temperature, **LOSSES[name][1])
    assert abs(float(value) - expected) <= value_tolerance(expected)
    for z, g, e in zip((z0, z1), gradients[:2], expected_gradients[:2], strict=True):
        # Times the norm: as if the rows had been of unit norm.
        norm = np.linalg.norm(np.asarray(z, np.float64), axis=1, keepdims=True)
        g, e = np.asarray(g, np.float64) * norm, e * norm
        assert np.max(np.abs(g - e)) <= gradient_tolerance(e, temperature, 2 * len(z0))
    # Every logit scales with 1 / temperature, so a relative error in them is one in the result.
    scale = 2e-5 * max(1, abs(expected_gradients[2]), 1 / temperature) / temperature
    assert abs(float(gradients[2]) - expected_gradients[2]) <= scale


def meshes():
    devices = np.array(jax.devices())

    def mesh(devices, names):
        return Mesh(devices, names, axis_types=(AxisType.Auto,) * len(names))

    return {
        "1": mesh(devices[:1], ("data",)),
        "2": mesh(devices[:2], ("data",)),
        "4": mesh(devices[:4], ("data",)),
        "8": mesh(devices, ("data",)),
        "4x2": mesh(devices.reshape(4, 2), ("data", "fsdp")),
        "interleaved": mesh(devices[[0, 4, 1, 5, 7, 2, 6, 3]].reshape(2, 4), ("data", "fsdp")),
    }


def shard(mesh, *arrays):
    return jax.device_put(arrays, NamedSharding(mesh, PartitionSpec(mesh.axis_names)))


@pytest.mark.parametrize("decoupled", [False, True])
def test_formula_gradients_by_finite_differences(decoupled):
    z0, z1 = np.random.default_rng(0).normal(size=(2, 3, 4))
    _, gradients = two_view_loss(z0, z1, 0.3, decoupled=decoupled)
    step = 1e-6

    def slope(d0, d1, dt):
        above = two_view_loss(z0 + d0, z1 + d1, 0.3 + dt, decoupled=decoupled)[0]
        below = two_view_loss(z0 - d0, z1 - d1, 0.3 - dt, decoupled=decoupled)[0]
        return (above - below) / (2 * step)

    for position in np.ndindex(3, 4):
        d = np.zeros((3, 4))
        d[position] = step
        assert abs(slope(d, 0, 0) - gradients[0][position]) < 1e-8
        assert abs(slope(0, d, 0) - gradients[1][position]) < 1e-8
    assert abs(slope(0, 0, step) - gradients[2]) < 1e-8


@every_loss
@pytest.mark.parametrize("case", CASES)
def test_float32(name, case):
    z0, z1 = CASES[case]
    for temperature in TEMPERATURES:
        result = value_and_gradient(name)(z0, z1, jnp.float32(temperature))
        assert_matches_formula(result, name, z0, z1, temperature)


@every_loss
def test_float64(name):
    with jax.enable_x64(True):
        for case in ("random", "near duplicate views", "zero rows"):
            z0, z1 = (x.astype(np.float64) for x in CASES[case])
            for temperature in TEMPERATURES:
                value, gradients = value_and_gradient(name)(z0, z1, jnp.float64(temperature))
                assert value.dtype == jnp.float64
                expected, expected_gradients = two_view_loss(z0, z1, temperature, **LOSSES[name][1])
                np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-11)
                for g, e in zip(gradients, expected_gradients, strict=True):
                    np.testing.assert_allclose(g, e, rtol=1e-10, atol=1e-12 / temperature**2)


@every_loss
def test_bfloat16_is_computed_in_float32(name):
    z0, z1 = (jnp.asarray(x, jnp.bfloat16) for x in CASES["random"])
    value, gradients = value_and_gradient(name)(z0, z1, jnp.float32(0.1))
    in_float32 = value_and_gradient(name)(
        z0.astype(jnp.float32), z1.astype(jnp.float32), jnp.float32(0.1)
    )
    assert value.dtype == jnp.float32
    assert gradients[0].dtype == jnp.bfloat16
    np.testing.assert_allclose(value, in_float32[0], rtol=1e-6)
    for g, e in zip(gradients[:2], in_float32[1][:2], strict=True):
        np.testing.assert_array_equal(g, e.astype(jnp.bfloat16))


@every_loss
def test_two_examples(name):
    z0, z1 = (x[:2] for x in CASES["random"])
    for temperature in TEMPERATURES:
        result = value_and_gradient(name)(z0, z1, jnp.float32(temperature))
        assert_matches_formula(result, name, z0, z1, temperature)


@pytest.mark.parametrize("name", ["nt_xent", "dcl"])
def test_block_size_changes_nothing(name):
    # 32 anchors: six blocks of 5 and a last one of 2.
    for case in ("random", "zero rows"):
        result = value_and_gradient(name, block_size=5)(*CASES[case], jnp.float32(0.03))
        assert_matches_formula(result, name, *CASES[case], 0.03)


@pytest.mark.parametrize("name", ["nt_xent", "dclw"])
@pytest.mark.parametrize("layout", meshes())
def test_meshes_match_the_formula(name, layout):
    # An all-gather whose backward pass forgets other devices' rows, a diagonal that ignores the
    # device, or a local mean in DCLW: each would show here, in value or in gradient.
    mesh = meshes()[layout]
    compiled = value_and_gradient(name, mesh)
    for case in ("random", "all rows near each other", "zero rows"):
        for temperature in (0.005, 0.1):
            result = compiled(*shard(mesh, *CASES[case]), jnp.float32(temperature))
            assert_matches_formula(result, name, *CASES[case], temperature)


def test_blocks_on_a_mesh():
    # 4 anchors a device, so a block of 3 and one of 1.
    mesh = meshes()["interleaved"]
    result = value_and_gradient("nt_xent", mesh, 3)(
        *shard(mesh, *CASES["random"]), jnp.float32(0.1)
    )
    assert_matches_formula(result, "nt_xent", *CASES["random"], 0.1)


def test_keys_on_other_devices_get_their_gradient():
    # The gradient has two parts: as anchor in its own row and as key in everybody else's.
    z0, z1 = (x[:4] for x in CASES["random"])
    mesh = meshes()["2"]
    _, gradients = value_and_gradient("nt_xent", mesh)(*shard(mesh, z0, z1), jnp.float32(0.1))

    @jax.grad
    def as_anchor_only(z):
        unit = z / jnp.linalg.norm(z, axis=1, keepdims=True)
        logits = unit @ jax.lax.stop_gradient(unit).T / 0.1
        log_sum = jax.nn.logsumexp(jnp.where(jnp.eye(8, dtype=bool), -jnp.inf, logits), axis=1)
        return jnp.mean(log_sum - jnp.diag(jnp.roll(logits, 4, axis=1)))

    one_part = jax.jit(as_anchor_only)(np.concatenate([z0, z1]))
    both_parts = two_view_loss(z0, z1, 0.1, decoupled=False)[1][0]
    np.testing.assert_allclose(gradients[0], both_parts, atol=1e-5)
    assert np.max(np.abs(gradients[0] - one_part[:4])) > 0.01


def test_sharded_arrays_without_a_mesh():
    views = shard(meshes()["8"], *CASES["random"])
    result = value_and_gradient("dclw")(*views, jnp.float32(0.1))
    assert_matches_formula(result, "dclw", *CASES["random"], 0.1)


def test_temperature_as_number_or_array():
    z0, z1 = (jnp.asarray(x) for x in CASES["random"])
    expected = nt_xent(z0, z1, temperature=0.5)
    for temperature in (np.float32(0.5), jnp.float32(0.5), jnp.bfloat16(0.5)):
        assert nt_xent(z0, z1, temperature=temperature) == expected
    assert np.isfinite(nt_xent(z0, z1, temperature=1))


def test_one_example():
    z0, z1 = (jnp.asarray(x[:1]) for x in CASES["random"])
    assert nt_xent(z0, z1, temperature=0.1) == 0
    with pytest.raises(UserError, match=r"^dcl needs at least 2 examples in a batch: [^.]*\.$"):
        dcl(z0, z1, temperature=0.1)


@pytest.mark.parametrize("loss", [nt_xent, dcl])
def test_errors_in_one_sentence(loss):
    z0, z1 = (jnp.asarray(x[:4]) for x in CASES["random"])
    # Four examples are eight anchors, yet a device cannot hold half an example.
    with pytest.raises(UserError, match=r"^A batch of 4 does not divide by the 8 devices"):
        loss(z0, z1, temperature=0.1, mesh=meshes()["8"])
    with pytest.raises(UserError, match=r"^block_size is 0, but must be at least 1\.$"):
        loss(z0, z1, temperature=0.1, block_size=0)
