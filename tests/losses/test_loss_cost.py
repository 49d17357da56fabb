"""Memory and communication of the losses, read from compiled programs that are never run."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jcl.losses import dcl, nt_xent

LOSSES = {
    "nt_xent": nt_xent,
    "dclw": lambda z0, z1, **kwargs: dcl(z0, z1, weight_sigma=0.5, **kwargs),
}


def compile_value_and_gradient(name, batch, mesh):
    sharding = mesh and NamedSharding(mesh, PartitionSpec(mesh.axis_names))
    z = jax.ShapeDtypeStruct((batch, 64), jnp.float32, sharding=sharding)
    temperature = jax.ShapeDtypeStruct((), jnp.float32)

    def loss(z0, z1, temperature):
        return LOSSES[name](z0, z1, temperature=temperature, mesh=mesh)

    gradient = jax.value_and_grad(loss, argnums=(0, 1, 2))
    return jax.jit(gradient).lower(z, z, temperature).compile()


@pytest.fixture(params=[1, 8])
def mesh(request):
    if request.param == 1:
        return None
    return jax.make_mesh((4, 2), ("data", "fsdp"), axis_types=(AxisType.Auto,) * 2)


def test_memory_grows_linearly(mesh):
    # 1k, 2k and 8k anchors. On eight devices 1k are a single block, which XLA compiles without
    # a loop into less memory than its share, so start at 2k there.
    batches = (512, 1024, 4096) if mesh is None else (1024, 4096)
    memory = [
        compile_value_and_gradient("nt_xent", b, mesh).memory_analysis().temp_size_in_bytes
        for b in batches
    ]
    assert np.all(np.diff(np.log2(memory)) <= 1.1 * np.diff(np.log2(batches))), memory
    # The whole matrix of similarities would be 256 MiB.
    assert memory[-1] < 32 * 2**20, memory


@pytest.mark.parametrize("name", LOSSES)
def test_communication(name):
    mesh = jax.make_mesh((4, 2), ("data", "fsdp"), axis_types=(AxisType.Auto,) * 2)
    program = compile_value_and_gradient(name, 512, mesh).as_text()
    collective = r"= (.*?) (all-gather|reduce-scatter|all-reduce|all-to-all|collective-permute)"
    operations = re.findall(collective + r"(?:-start)?\(", program)
    # Columns are gathered, and for the backward pass three numbers of each; every device forms the
    # whole gradient of its own rows, so none is scattered; only scalars are reduced.
    assert {kind for _, kind in operations} == {"all-gather", "all-reduce"}
    gathered = sorted(result.split("{")[0] for result, kind in operations if kind == "all-gather")
    assert set(gathered) == {"f32[1024,3]", "f32[1024,64]"}
    assert len(gathered) <= 3
    reduced = [result for result, kind in operations if kind == "all-reduce"]
    assert not re.findall(r"\[\d", " ".join(reduced)), reduced
