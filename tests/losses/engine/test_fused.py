"""Where losses take the fused kernels, seen in programs lowered for CUDA on a machine without it.

What the kernels compute is tested in tests/kernels.
"""

import logging
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from jcl.losses import dcl, nt_xent
from jcl.losses.engine import devices, fused
from jcl.mesh import make_mesh

HOPPER = SimpleNamespace(platform="gpu", compute_capability="9.0", device_kind="NVIDIA H100")
AMPERE = SimpleNamespace(platform="gpu", compute_capability="8.0", device_kind="NVIDIA A100")
AMD = SimpleNamespace(platform="gpu", compute_capability="gfx942", device_kind="AMD MI300")
BF16, F32 = jnp.bfloat16, jnp.float32


@pytest.fixture(autouse=True)
def fresh():
    fused._say.cache_clear()


def kernels_in(monkeypatch, device, loss, batch, d, dtype=BF16, mesh=None, platform="cuda"):
    """How many kernels the program of a loss and its gradient holds."""
    if device is not None:
        monkeypatch.setattr(fused, "computing_device", lambda mesh: device)

    def value(z0, z1, temperature):
        return loss(z0, z1, temperature=temperature, mesh=mesh)

    z = jax.ShapeDtypeStruct((batch, d), dtype)
    arguments = z, z, jax.ShapeDtypeStruct((), dtype if dtype == jnp.float64 else F32)
    traced = jax.jit(jax.value_and_grad(value, argnums=(0, 1, 2))).trace(*arguments)
    return traced.lower(lowering_platforms=(platform,)).as_text().count("@mosaic_gpu")


# Two kernels a pass: one for usual temperatures, one for all.
@pytest.mark.parametrize(
    ("loss", "batch", "d", "dtype"),
    [
        (nt_xent, 512, 128, BF16),
        (nt_xent, 37, 1024, BF16),  # odd, padded
        (nt_xent, 2, 3, BF16),
        (dcl, 100, 512, F32),
    ],
)
def test_hopper_takes_the_kernels(loss, batch, d, dtype, monkeypatch):
    assert kernels_in(monkeypatch, HOPPER, loss, batch, d, dtype) == 4


def test_devices_of_a_mesh_take_the_kernels(monkeypatch):
    assert kernels_in(monkeypatch, HOPPER, nt_xent, 64, 64, mesh=make_mesh()) == 4


@pytest.mark.parametrize(
    ("device", "batch", "d", "dtype", "why"),
    [
        (AMPERE, 64, 128, BF16, "A100"),
        (AMD, 64, 128, BF16, "AMD MI300"),
        (HOPPER, 64, 1025, BF16, "up to 1024 dimensions"),
        (HOPPER, 64, 513, F32, "up to 512 dimensions"),
        (HOPPER, 64, 64, jnp.float64, "float64"),
        (HOPPER, 1, 64, BF16, None),  # without negatives there is nothing to sum
        (None, 64, 64, BF16, None),  # a CPU
    ],
)
def test_anything_else_falls_back_and_says_why_once(
    device, batch, d, dtype, why, monkeypatch, caplog
):
    with jax.enable_x64(dtype == jnp.float64), caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert kernels_in(monkeypatch, device, nt_xent, batch, d, dtype) == 0
    said = [record.getMessage() for record in caplog.records if record.name == fused.__name__]
    assert len(said) == (why is not None)
    assert all(why in message for message in said)


def test_computations_placed_elsewhere_do_without(monkeypatch):
    """On a machine with a Hopper GPU, a program for its CPU."""
    assert kernels_in(monkeypatch, HOPPER, nt_xent, 64, 64, platform="cpu") == 0


def test_the_mesh_counts_before_the_process():
    mesh = make_mesh()
    assert devices.computing_device(mesh) == mesh.devices.flat[0]
    assert devices.computing_device(None) == jax.local_devices()[0]


@pytest.mark.parametrize("loss", [nt_xent, dcl])
def test_values_and_derivatives_of_what_surrounds_the_kernels(loss, monkeypatch):
    """Their program on a CPU has the same value, gradients and second derivatives as before."""
    z0, z1 = jax.random.normal(jax.random.key(0), (2, 6, 4))

    def everything(z0, z1):
        def value(z0, z1, temperature):
            return loss(z0, z1, temperature=temperature)

        first = jax.value_and_grad(value, argnums=(0, 1, 2))(z0, z1, 0.2)
        return first, jax.jacrev(jax.grad(value))(z0, z1, 0.2)

    expected = jax.jit(everything)(z0, z1)
    monkeypatch.setattr(fused, "computing_device", lambda mesh: HOPPER)
    for actual, wanted in zip(
        *map(jax.tree.leaves, (jax.jit(everything)(z0, z1), expected)), strict=True
    ):
        assert jnp.allclose(actual, wanted, rtol=1e-4, atol=1e-5)
