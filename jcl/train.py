"""Pretrains an encoder: `python -m jcl.train --config=configs/NAME.py --workdir=DIR`.

Started again with the same workdir, it goes on from the newest checkpoint.
"""

import functools
import sys
import time
from pathlib import Path

import jax
import ml_collections
import numpy as np
from absl import flags, logging
from ml_collections import config_flags

from jcl import cli, runtime
from jcl import workdir as workdir_lib
from jcl.checkpoint import Checkpoints
from jcl.config import validate
from jcl.data.loader import batches
from jcl.data.order import batch_hash, batch_indices
from jcl.data.source import Source
from jcl.experiment import make_experiment, open_split
from jcl.loop import run_loop
from jcl.mesh import batch_sharding, check_even_split, make_mesh
from jcl.metrics import MetricsFile, Progress, open_tensorboard
from jcl.online_probe import make_knn_probe
from jcl.optim import peak_learning_rate
from jcl.step import compile_train_step


def train(config: ml_collections.ConfigDict, workdir: Path, *, accept_config_changes: bool) -> None:
    """Trains to the end of the config's schedule, or resumes to it.

    Args:
        config: from `jcl.config.base()`.
        workdir: made where it is missing; everything the run leaves is in it.
        accept_config_changes: go on with a config that differs from the workdir's.

    Raises:
        UserError: for anything in config, data or workdir that the user must mend, before training;
            for a loss that is not finite, during it.
    """
    # 1. Nothing is written before everything asked for is known to be possible.
    validate(config)
    runtime.configure(config.precision)
    mesh = make_mesh(**config.mesh)
    check_even_split(config.batch_size, mesh)
    source = open_split(config, "train")
    experiment = make_experiment(config, source)
    probe = make_knn_probe(experiment, source)

    # 2. The workdir: new, or one to resume.
    workdir_lib.create(workdir)
    checkpoints = Checkpoints(workdir, keep=config.checkpoint.keep)
    if checkpoints.steps:
        for change in workdir_lib.check_resume(workdir, config, accept=accept_config_changes):
            logging.warning("accepted config change %s", change)
    workdir_lib.write_config(workdir, config)
    state = experiment.init_state(mesh)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    restored = checkpoints.restore_newest(state)
    state = state if restored is None else restored
    start = int(state.step)
    total = experiment.length.total_steps
    workdir_lib.write_run(workdir, start_step=start)
    metrics_file = MetricsFile(workdir, start)
    _say_plan(experiment, mesh, workdir, start, parameters, len(source))
    if start >= total:
        _say(f"{workdir} is complete: step {start} of {total}")
        return

    # 3. Training.
    train_step = compile_train_step(state, mesh=mesh, **experiment.step_options())
    began = time.perf_counter()
    train_step = train_step.lower(state, _batch_shapes(source, config.batch_size)).compile()
    _say(f"compiled the step in {time.perf_counter() - began:.1f} s")
    stream = batches(
        source,
        seed=config.seed,
        batch_size=config.batch_size,
        sharding=batch_sharding(mesh),
        start_step=start,
        stop_step=total,
    )
    tensorboard = open_tensorboard(workdir)
    progress = Progress(start, total)
    try:
        run_loop(
            state,
            train_step,
            stream,
            start_step=start,
            total_steps=total,
            config=config,
            batch_hash=functools.partial(_batch_hash, config, len(source)),
            checkpoints=checkpoints,
            metrics_file=metrics_file,
            tensorboard=tensorboard,
            progress=progress,
            probe=probe,
        )
    finally:
        progress.close()
        stream.close()
        checkpoints.close()
        metrics_file.close()
        if tensorboard is not None:
            tensorboard.close()


def _batch_shapes(source: Source, batch_size: int) -> dict[str, jax.ShapeDtypeStruct]:
    row = {**source.batch(np.arange(1)), "index": np.zeros(1, np.int32)}
    return {
        key: jax.ShapeDtypeStruct((batch_size, *value.shape[1:]), value.dtype)
        for key, value in row.items()
    }


def _batch_hash(config: ml_collections.ConfigDict, n: int, step: int) -> str:
    return batch_hash(batch_indices(step, n=n, batch_size=config.batch_size, seed=config.seed))


def _say_plan(experiment, mesh, workdir, start, parameters, n) -> None:
    config, length = experiment.config, experiment.length
    _say(
        f"{config.method.name} with {config.encoder.name} ({parameters:,} parameters) on "
        f"{config.data.name} ({n:,} examples)\n"
        f"steps {start} to {length.total_steps} of {config.batch_size} examples, "
        f"{length.steps_per_epoch} an epoch, {length.warmup_steps} of warm-up; "
        f"peak learning rate {peak_learning_rate(config):.4g} "
        f"(scaling {config.optimizer.scaling})\n"
        f"mesh {dict(mesh.shape)} of {mesh.devices.flat[0].device_kind}; workdir {workdir}"
    )


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def main(argv) -> None:
    """The binary."""
    del argv
    train(_CONFIG.value, Path(_WORKDIR.value), accept_config_changes=_ACCEPT.value)


if __name__ == "__main__":
    _CONFIG = config_flags.DEFINE_config_file(
        "config", None, "configs/NAME.py[:args]; --config.KEY=VALUE overrides.", lock_config=True
    )
    _WORKDIR = flags.DEFINE_string("workdir", None, "Folder for all that the run leaves.")
    _ACCEPT = flags.DEFINE_bool(
        "accept_config_changes", False, "Resume although the config differs from the workdir's."
    )
    flags.mark_flags_as_required(["config", "workdir"])
    cli.run(main)
