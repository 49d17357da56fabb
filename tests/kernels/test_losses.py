"""Losses as Hopper GPUs compute them, interpreted on a CPU, against float64."""

from functools import partial
from types import SimpleNamespace

import jax
import jax.experimental.pallas.mosaic_gpu as plgpu
import jax.numpy as jnp
import numpy as np
import pytest

if not hasattr(plgpu, "InterpretGPUParams"):
    pytest.skip("runs in `make test-kernels`, with a newer JAX", allow_module_level=True)

from jcl.losses import dcl, info_nce, nt_xent
from jcl.losses.engine import devices, fused
from tests.kernels.interpreter import interpreted
from tests.losses.contrastive_formulas import two_tower_loss, two_view_loss, value_tolerance

pytestmark = pytest.mark.slow

FORMULAS = {
    nt_xent: partial(two_view_loss, decoupled=False),
    dcl: partial(two_view_loss, decoupled=True),
    info_nce: two_tower_loss,
}
HOPPER = SimpleNamespace(platform="gpu", compute_capability="9.0")


@pytest.fixture(autouse=True)
def as_on_a_hopper_gpu(monkeypatch):
    monkeypatch.setattr(devices, "computing_device", lambda mesh: HOPPER)
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *args, cuda, default: cuda(*args))
    # Temperatures are known here, so the branch that is not taken need not be traced.
    monkeypatch.setattr(
        jax.lax, "cond", lambda which, *branches: branches[0 if bool(which) else 1]()
    )


def views(batch, d, noise, dtype):
    random = np.random.default_rng(batch)
    z0 = random.standard_normal((batch, d)) * np.exp(random.standard_normal((batch, 1)))
    z1 = z0 + noise * random.standard_normal((batch, d)) * np.linalg.norm(
        z0, axis=1, keepdims=True
    ) / np.sqrt(d)
    return tuple(jnp.asarray(z, dtype) for z in (z0, z1))


@pytest.mark.parametrize(
    ("loss", "batch", "d", "temperature", "noise", "dtype", "tolerance"),
    [
        (nt_xent, 101, 128, 0.1, 0.5, jnp.bfloat16, 2.0**-8),
        (dcl, 67, 64, 0.01, 0.5, jnp.bfloat16, 2.0**-8),
        (nt_xent, 70, 32, 0.05, 0.1, jnp.float32, 5e-5),  # nearly equal views: no cancellation
        (dcl, 70, 160, 0.2, 0.5, jnp.float32, 5e-5),
        (info_nce, 131, 64, 0.01, 2.0, jnp.bfloat16, 2.0**-8),
        (info_nce, 66, 128, 0.07, 0.5, jnp.float32, 5e-5),
    ],
)
def test_on_one_gpu(loss, batch, d, temperature, noise, dtype, tolerance, monkeypatch):
    z0, z1 = views(batch, d, noise, dtype)
    assert_exact(loss, z0, z1, temperature, None, tolerance, monkeypatch)


class TwoDevices:
    size = 2


@pytest.mark.parametrize("loss", [nt_xent, info_nce])
def test_rows_of_each_device_of_a_mesh(loss, monkeypatch):
    """One device after the other. The interpreter cannot run two at once."""

    def one_after_the_other(function, rows, columns, replicated, *, mesh):
        def of(device, x):
            share = len(x) // mesh.size
            return x[device * share : (device + 1) * share]

        results = [
            function(jax.tree.map(partial(of, device), rows), columns, replicated)
            for device in range(mesh.size)
        ]
        return jnp.concatenate(results)

    monkeypatch.setattr(fused, "with_all_columns", one_after_the_other)
    z0, z1 = views(70, 64, 0.5, jnp.bfloat16)
    assert_exact(loss, z0, z1, 0.1, TwoDevices(), 2.0**-8, monkeypatch)


def assert_exact(loss, z0, z1, temperature, mesh, tolerance, monkeypatch):
    def value(z0, z1, temperature):
        return loss(z0, z1, temperature=temperature, mesh=mesh)

    with interpreted(monkeypatch):
        actual, gradients = jax.value_and_grad(value, argnums=(0, 1, 2))(
            z0, z1, jnp.float32(temperature)
        )
    exact = [np.float64(z.astype(jnp.float32)) for z in (z0, z1)]
    expected, expected_gradients = FORMULAS[loss](*exact, temperature)
    assert abs(float(actual) - expected) <= value_tolerance(expected)
    *of_views, of_temperature = gradients
    *expected_of_views, expected_of_temperature = expected_gradients
    assert of_temperature == pytest.approx(expected_of_temperature, rel=tolerance)
    # Times the norm, as if the rows had been of unit norm.
    norms = np.linalg.norm(np.concatenate(exact), axis=1, keepdims=True)
    actual, expected = (
        norms * np.concatenate([np.float64(x.astype(jnp.float32)) for x in map(jnp.asarray, pair)])
        for pair in (of_views, expected_of_views)
    )
    # bfloat16 embeddings get their gradients rounded to bfloat16.
    assert np.linalg.norm(actual - expected) <= tolerance * np.linalg.norm(expected)
