"""One of several processes that train together. Arguments: coordinator, processes, process, folder.

Trains `tests.tiny` data through the real loader, on meshes whose devices lie in order and
interleaved between processes, and writes the losses and which examples stood where.
"""

import sys
from pathlib import Path

import jax
import numpy as np

from jcl.data.loader import batches
from jcl.mesh import batch_sharding, make_mesh
from jcl.training.step import compile_train_step
from tests.tiny import tiny_config, tiny_experiment, tiny_source

# Places in jax.devices(), which has those of process 0 first, and the size of the fsdp axis.
LAYOUTS = {"in order": ([0, 1, 2, 3], 1), "interleaved": ([0, 2, 1, 3], 2)}
CONFIG = {"precision": "float64", "total_steps": 6, "fsdp_min_size": 1}


def train(layout):
    places, fsdp = LAYOUTS[layout]
    mesh = make_mesh(-1, fsdp, devices=[jax.devices()[place] for place in places])
    config = tiny_config(**CONFIG)
    experiment = tiny_experiment(config)
    state = experiment.init_state(mesh)
    step = compile_train_step(state, mesh=mesh, **experiment.step_options())
    losses, seen = [], np.full((config.total_steps, config.batch_size), -1)
    stream = batches(
        tiny_source(),
        order=experiment.order,
        batch_size=config.batch_size,
        sharding=batch_sharding(mesh),
        start_step=0,
        stop_step=config.total_steps,
    )
    for t, batch in enumerate(stream):
        for shard in batch["index"].addressable_shards:
            seen[t][shard.index] = shard.data
        state, metrics = step(state, batch)
        losses.append(np.asarray(metrics["loss"]))
    return {"losses": np.array(losses), "seen": seen}


def main(coordinator, processes, process, folder):
    jax.distributed.initialize(coordinator, int(processes), int(process))
    jax.config.update("jax_enable_x64", True)
    for layout in LAYOUTS:
        np.savez(Path(folder, f"{layout} {process}.npz"), **train(layout))


if __name__ == "__main__":
    main(*sys.argv[1:])
