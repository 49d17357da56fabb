"""Losses without the fused kernels, lowered for GPUs on a machine without one."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.losses.engine import devices
from jcl.mesh import make_mesh
from tests.losses.every_loss import EVERY_LOSS

AMPERE = SimpleNamespace(platform="gpu", compute_capability="8.0", device_kind="NVIDIA A100")


def value_and_gradient(name, mesh=None, block_size=None):
    def loss(z0, z1, side):
        options = {"temperature": 0.1, "mesh": mesh, "block_size": block_size}
        return EVERY_LOSS[name](z0, z1, side, **options)

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))


def loops_and_branches(name, platform, mesh=None):
    """How many loops a program has, and how many branches stand in them."""
    z, labels = jax.ShapeDtypeStruct((64, 8), jnp.float32), jax.ShapeDtypeStruct((64,), jnp.int32)
    traced = value_and_gradient(name, mesh, block_size=16).trace(z, z, labels)
    module = traced.lower(lowering_platforms=(platform,)).compiler_ir("stablehlo")
    functions = {
        function.name.value: function
        for function in module.body.operations
        if function.operation.name == "func.func"
    }
    counts, seen = {"loops": 0, "branches": 0}, set()

    def visit(operation, in_loop):
        for region in operation.regions:
            for block in region.blocks:
                for inner in block.operations:
                    kind = inner.operation.name
                    counts["loops"] += kind == "stablehlo.while"
                    counts["branches"] += in_loop and kind in ("stablehlo.case", "stablehlo.if")
                    visit(inner, in_loop or kind == "stablehlo.while")
                    if kind == "func.call":
                        called = inner.attributes["callee"].value
                        if (called, in_loop) not in seen:
                            seen.add((called, in_loop))
                            visit(functions[called], in_loop)

    visit(functions["main"], False)
    return counts["loops"], counts["branches"]


@pytest.fixture
def on_a_gpu(monkeypatch):
    monkeypatch.setattr(devices, "computing_device", lambda mesh: AMPERE)


@pytest.mark.parametrize(
    "name", ["nt_xent", "info_nce", pytest.param("supcon", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("platform", ["cuda", pytest.param("rocm", marks=pytest.mark.slow)])
def test_loops_do_not_branch(name, platform, on_a_gpu):
    loops, branches = loops_and_branches(name, platform)
    assert loops >= 2
    assert not branches


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nt_xent", "info_nce", "supcon"])
def test_loops_on_a_mesh_do_not_branch(name, on_a_gpu):
    loops, branches = loops_and_branches(name, "cuda", make_mesh())
    assert loops >= 2
    assert not branches


def test_cpus_branch():
    """What they are fastest with, and what shows that branches are found."""
    assert loops_and_branches("nt_xent", "cpu")[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nt_xent", "info_nce", "supcon"])
def test_both_ways_give_the_same(name, monkeypatch):
    z0, z1 = jax.random.normal(jax.random.key(0), (2, 100, 16))
    labels = jnp.arange(100) // 3
    expected = value_and_gradient(name)(z0, z1, labels)
    monkeypatch.setattr(devices, "computing_device", lambda mesh: AMPERE)
    monkeypatch.setattr(
        jax.lax,
        "platform_dependent",
        lambda *args, default, cuda=None, cpu=None, rocm=None: (cuda or default)(*args),
    )
    for block_size in (None, 7):
        actual = value_and_gradient(name, block_size=block_size)(z0, z1, labels)
        for a, e in zip(*map(jax.tree.leaves, (actual, expected)), strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-7)
