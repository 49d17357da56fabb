"""One of two processes that compute losses together.

Arguments: coordinator, processes, process, folder.

Reads `inputs/LOSS CASE.npz` and writes the same name, for each order of the devices, with those
rows that this process holds; other rows are NaN.
"""

import sys
from functools import cache
from pathlib import Path

import jax
import numpy as np

from jcl.mesh import batch_sharding, make_mesh
from tests.losses.every_loss import EVERY_LOSS

# Places in jax.devices(), which has those of process 0 first.
ORDERS = {"by process": [0, 1, 2, 3], "interleaved": [0, 2, 1, 3]}


@cache
def value_and_gradient(name, mesh):
    def loss(z0, z1, temperature, side):
        return EVERY_LOSS[name](z0, z1, side, temperature=temperature, mesh=mesh)

    # Two small batches are quick in any code, and this code is compiled in half the time.
    quickly = {"xla_backend_optimization_level": 0}
    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)), compiler_options=quickly)


def share(mesh, x):
    sharding = batch_sharding(mesh)
    return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])


def rows_held_here(array):
    held = np.full(array.shape, np.nan, array.dtype)
    for shard in array.addressable_shards:
        held[shard.index] = shard.data
    return held


def main(coordinator, processes, process, folder):
    jax.distributed.initialize(coordinator, int(processes), int(process))
    processes = [device.process_index for device in jax.devices()]
    assert processes == [0, 0, 1, 1], processes
    for order, places in ORDERS.items():
        mesh = make_mesh(2, 2, devices=[jax.devices()[place] for place in places])
        written = Path(folder, order, process)
        written.mkdir(parents=True)
        for path in sorted(Path(folder, "inputs").iterdir()):
            inputs = np.load(path)
            z0, z1, side = (share(mesh, inputs[x]) for x in ("z0", "z1", "side"))
            compiled = value_and_gradient(path.name.split()[0], mesh)
            value, (by_z0, by_z1, by_temperature) = compiled(z0, z1, inputs["temperature"], side)
            outputs = {"value": value, "z0": by_z0, "z1": by_z1, "temperature": by_temperature}
            np.savez(written / path.name, **jax.tree.map(rows_held_here, outputs))


if __name__ == "__main__":
    main(*sys.argv[1:])
