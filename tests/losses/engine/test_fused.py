"""Where losses take the fused kernels, seen in programs lowered for CUDA on a machine without it.

What the kernels compute is tested in tests/kernels.
"""

import logging
import re
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.losses import dcl, info_nce, nt_xent, sogclr, supcon
from jcl.losses.engine import devices, fused, hopper
from jcl.mesh import make_mesh
from jcl.warn_once import warn_once

HOPPER = SimpleNamespace(platform="gpu", compute_capability="9.0", device_kind="NVIDIA H100")
AMPERE = SimpleNamespace(platform="gpu", compute_capability="8.0", device_kind="NVIDIA A100")
AMD = SimpleNamespace(platform="gpu", compute_capability="gfx942", device_kind="AMD MI300")
BF16, F32 = jnp.bfloat16, jnp.float32


@pytest.fixture(autouse=True)
def fresh():
    warn_once.cache_clear()


def seen_for_the_first_time(z0, z1, **options):
    return sogclr(z0, z1, jnp.full(len(z0), -jnp.inf), gamma=0.9, **options)[0]


def of_labels(z0, z1, **options):
    return supcon(z0, z1, jnp.arange(len(z0)) % 4, **options)


def kernels_in(monkeypatch, device, loss, batch, d, dtype=BF16, mesh=None, platform="cuda"):
    """How many kernels the program of a loss and its gradient holds."""
    if device is not None:
        monkeypatch.setattr(devices, "computing_device", lambda mesh: device)

    def value(z0, z1, temperature):
        return loss(z0, z1, temperature=temperature, mesh=mesh)

    z = jax.ShapeDtypeStruct((batch, d), dtype)
    arguments = z, z, jax.ShapeDtypeStruct((), dtype if dtype == jnp.float64 else F32)
    traced = jax.jit(jax.value_and_grad(value, argnums=(0, 1, 2))).trace(*arguments)
    return traced.lower(lowering_platforms=(platform,)).as_text().count("@mosaic_gpu")


slow = pytest.mark.slow


# Two kernels a pass: one for usual temperatures, one for all.
@pytest.mark.parametrize(
    ("loss", "batch", "d", "dtype"),
    [
        (nt_xent, 37, 64, BF16),  # odd, padded
        pytest.param(nt_xent, 512, 1024, BF16, marks=slow),
        pytest.param(nt_xent, 2, 3, BF16, marks=slow),
        pytest.param(dcl, 100, 512, F32, marks=slow),
        pytest.param(of_labels, 64, 128, BF16, marks=slow),
        pytest.param(seen_for_the_first_time, 64, 128, F32, marks=slow),
    ],
)
def test_hopper_takes_the_kernels(loss, batch, d, dtype, monkeypatch):
    assert kernels_in(monkeypatch, HOPPER, loss, batch, d, dtype) == 4


@slow
@pytest.mark.parametrize("halves", [1, 2])
@pytest.mark.parametrize("any_range", [False, True])
def test_kernels_of_every_width_fit_into_shared_memory(halves, any_range):
    """JAX looks at it where kernels are lowered."""
    known = hopper.Known(*[jax.ShapeDtypeStruct((512,), F32)] * 2)
    kind = hopper.Kind(halves, 2, any_range)
    for d in (64, 128, 192, 256, 320, 512, 576, 1024):
        if halves * d > hopper.WIDEST:
            continue
        side = hopper.Side(jax.ShapeDtypeStruct((512, halves * d), BF16), known.log_sum)
        for function, sides in ((hopper.log_sums, side), (hopper.weighted_sums, (side, known))):
            traced = jax.jit(function, static_argnums=3).trace(sides, sides, None, kind)
            assert "@mosaic_gpu" in traced.lower(lowering_platforms=("cuda",)).as_text()


@slow
def test_a_million_columns_are_not_copied():
    """They are with padding: 1,056,000 of them, where 66 blocks share 8,192 tiles."""
    known = hopper.Known(*[jax.ShapeDtypeStruct((2**20,), F32)] * 2)
    side = hopper.Side(jax.ShapeDtypeStruct((2**20, 512), BF16), known.log_sum)
    traced = jax.jit(hopper.weighted_sums, static_argnums=3).trace(
        (side, known), (side, known), None, hopper.Kind(1, 2, False)
    )
    (kernel,) = re.findall(
        r"@mosaic_gpu\S*\(.*", traced.lower(lowering_platforms=("cuda",)).as_text()
    )
    assert "tensor<1048576x512xbf16>" in kernel
    assert "tensor<256x1048576xbf16>" in kernel


def test_even_splits_use_most_of_a_gpu():
    for tiles in range(1, 300):
        for most in (1, 2, 7, 33, 66, 132):
            splits = hopper._even_splits(tiles, most)
            assert 0.9 * min(tiles, most) <= splits <= min(tiles, most)
    assert [hopper._even_splits(tiles, 66) for tiles in (8192, 8191, 5)] == [64, 66, 5]


@slow
def test_info_nce_takes_them_both_ways(monkeypatch):
    assert kernels_in(monkeypatch, HOPPER, info_nce, 37, 64) == 8


@slow
@pytest.mark.parametrize("devices", [1, 8])
@pytest.mark.parametrize(("loss", "kernels"), [(nt_xent, 4), (info_nce, 8)])
def test_devices_of_a_mesh_take_the_kernels(loss, kernels, devices, monkeypatch):
    mesh = make_mesh(devices=jax.devices()[:devices])
    assert kernels_in(monkeypatch, HOPPER, loss, 64, 64, mesh=mesh) == kernels


def test_other_gpus_do_without(monkeypatch):
    assert kernels_in(monkeypatch, AMPERE, nt_xent, 37, 64) == 0


@pytest.mark.parametrize(
    ("device", "rows", "d", "dtype", "why"),
    [
        (HOPPER, 4, 1024, BF16, None),
        (HOPPER, 4, 512, F32, None),
        (AMPERE, 4, 128, BF16, "A100"),
        (AMD, 4, 128, BF16, "AMD MI300"),
        (HOPPER, 4, 1025, BF16, "up to 1024 dimensions"),
        (HOPPER, 4, 513, F32, "up to 512 dimensions"),
        (HOPPER, 4, 64, np.float64, "float64"),
    ],
)
def test_what_falls_back_says_why_once(device, rows, d, dtype, why, monkeypatch, caplog):
    monkeypatch.setattr(devices, "computing_device", lambda mesh: device)
    unit = jnp.float32 if dtype == BF16 else dtype
    with jax.enable_x64(dtype == np.float64), caplog.at_level(logging.WARNING):
        z = jnp.zeros((rows, d), unit)
        for _ in range(2):
            suits = fused.suits(z, is_bfloat16=dtype == BF16, columns=2, mesh=None)
            assert suits == (why is None)
    said = [record.getMessage() for record in caplog.records if record.name == "jcl.warn_once"]
    assert len(said) == (why is not None)
    assert all(why in message for message in said)


@pytest.mark.parametrize("version", [(0, 10, 1), (0, 13, 0)])
def test_other_versions_of_jax_fall_back(version, monkeypatch, caplog):
    monkeypatch.setattr(devices, "computing_device", lambda mesh: HOPPER)
    monkeypatch.setattr(jax, "__version_info__", version)
    assert not fused.suits(jnp.zeros((4, 64)), is_bfloat16=False, columns=2, mesh=None)
    assert "not been tried with JAX" in caplog.text


def test_cpus_and_single_examples_fall_back_without_a_word(monkeypatch, caplog):
    z = jnp.zeros((2, 64))
    assert not fused.suits(z, is_bfloat16=False, columns=2, mesh=None)
    monkeypatch.setattr(devices, "computing_device", lambda mesh: HOPPER)
    assert not fused.suits(z, is_bfloat16=False, columns=0, mesh=None)
    assert not caplog.records


@slow
def test_computations_placed_elsewhere_do_without(monkeypatch):
    """On a machine with a Hopper GPU, a program for its CPU."""
    assert kernels_in(monkeypatch, HOPPER, nt_xent, 64, 64, platform="cpu") == 0


def test_the_mesh_counts_before_the_process():
    mesh = make_mesh()
    assert devices.computing_device(mesh) == mesh.devices.flat[0]
    assert devices.computing_device(None) == jax.local_devices()[0]


@slow
@pytest.mark.parametrize("loss", [nt_xent, dcl, info_nce, of_labels])
def test_values_and_derivatives_of_what_surrounds_the_kernels(loss, monkeypatch):
    """Their program on a CPU has the same value, gradients and second derivatives as before."""
    z0, z1 = jax.random.normal(jax.random.key(0), (2, 6, 4))

    def everything(z0, z1):
        def value(z0, z1, temperature):
            return loss(z0, z1, temperature=temperature)

        first = jax.value_and_grad(value, argnums=(0, 1, 2))(z0, z1, 0.2)
        return first, jax.jacrev(jax.grad(value))(z0, z1, 0.2)

    expected = jax.jit(everything)(z0, z1)
    monkeypatch.setattr(devices, "computing_device", lambda mesh: HOPPER)
    for actual, wanted in zip(
        *map(jax.tree.leaves, (jax.jit(everything)(z0, z1), expected)), strict=True
    ):
        assert jnp.allclose(actual, wanted, rtol=1e-4, atol=1e-5)
