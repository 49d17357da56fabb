"""Pretrains an encoder: `python -m jcl.train --config=configs/NAME.py --workdir=DIR`.

Started again with the same workdir, it goes on from the newest checkpoint.
"""

import contextlib
import functools
import sys
import time
from pathlib import Path

import jax
import ml_collections
from absl import flags, logging
from ml_collections import config_flags

from jcl import runtime
from jcl.config import validate
from jcl.cost.devices import peak
from jcl.cost.memory import check_memory, step_bytes
from jcl.cost.topology import suit_hardware, topology_devices
from jcl.data.dataset_shape import images_of, shape_of
from jcl.data.loader import batches
from jcl.data.order import batch_hash, batch_indices
from jcl.errors import UserError
from jcl.evaluation.periodic import make_knn_probe
from jcl.experiment import check_needs, make_experiment, open_split
from jcl.mesh import batch_sharding, check_even_split, make_mesh
from jcl.optim.schedules import peak_learning_rate
from jcl.plan import describe, make_plan, model_flops, write_plan
from jcl.runtime import cli, distributed, preemption
from jcl.runtime import workdir as workdir_lib
from jcl.runtime.meter import Meter
from jcl.runtime.metrics import Report
from jcl.runtime.trace import Trace
from jcl.runtime.wandb_writer import check_installed
from jcl.runtime.watchdog import Watchdog
from jcl.swap import drop_replaced_options
from jcl.training.checkpoint import Checkpoints, saved_steps
from jcl.training.fsdp import describe_split
from jcl.training.loop import run_loop
from jcl.training.step import compile_train_step
from jcl.training.warm_start import warm_start


def train(config: ml_collections.ConfigDict, workdir: Path, *, accept_config_changes: bool) -> None:
    """Trains to the end of the config's schedule, or resumes to it.

    `jcl.runtime.configure` comes first, as in the binary.

    Args:
        config: from `jcl.config.base()`.
        workdir: made where it is missing; everything the run leaves is in it.
        accept_config_changes: go on with a config that differs from the workdir's.

    Raises:
        UserError: for anything in config, data or workdir that the user must mend, before training;
            for a loss that is not finite or data that cannot be read, during it.
        Preempted: the machines are to be taken away, and the state is saved.
    """
    # 1. Nothing is written before everything asked for is known to be possible.
    validate(config)
    check_installed(config)
    mesh = make_mesh(**config.mesh)
    check_even_split(config.batch_size, mesh, microbatches=config.microbatches)
    with distributed.first_then_others("the data are there"):
        source = open_split(config, "train")
    data = shape_of(source)
    experiment = make_experiment(config, data)
    check_needs(experiment)
    probe = make_knn_probe(experiment, source, mesh)
    state = experiment.init_state(mesh)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    origin = None
    if config.init_from is not None and not saved_steps(workdir):
        # A run that was killed before its first checkpoint takes the same one again.
        step = config.init_step or workdir_lib.read_origin_step(workdir, config.init_from)
        state, step = warm_start(state, config.init_from, step=step, part=config.init_part)
        state = experiment.renew_method_state(state)
        origin = {"workdir": config.init_from, "step": step, "part": config.init_part}

    # 2. The workdir: new, or one to resume. A checkpoint in it wins over `init_from`.
    # The first of several processes writes there, and no sooner than all have looked.
    first = distributed.is_first()
    distributed.barrier("all processes looked at the workdir")
    if first:
        workdir_lib.create(workdir)
    distributed.check_same_folder(workdir)
    checkpoints = Checkpoints(workdir, keep=config.checkpoint.keep)
    if checkpoints.steps:
        for change in workdir_lib.check_resume(workdir, config, accept=accept_config_changes):
            logging.warning("accepted config change %s", change)
    distributed.barrier("all processes looked at the saved config")
    if first:
        workdir_lib.write_config(workdir, config)
    restored = checkpoints.restore_newest(state)
    state = state if restored is None else restored
    start = int(state.step)
    total = experiment.length.total_steps
    if first:
        workdir_lib.write_run(workdir, start_step=start, origin=origin)
    _say_plan(experiment, mesh, workdir, start, parameters, len(source))
    if config.mesh.fsdp > 1:
        _say(describe_split(state.params, state))
    if origin is not None:
        _say("networks: {part}, from step {step} of {workdir}".format(**origin))
    if start >= total:
        checkpoints.close()
        _say(f"{workdir} is complete: step {start} of {total}")
        return

    # 3. Training. A notice that comes while the step compiles is heeded after the first step.
    with contextlib.ExitStack() as closing:
        closing.enter_context(checkpoints)
        must_stop = closing.enter_context(preemption.notice())
        train_step = compile_train_step(state, mesh=mesh, **experiment.step_options())
        began = time.perf_counter()
        batch = data.batch(config.batch_size)
        train_step = train_step.lower(state, batch).compile()
        needed = step_bytes(train_step)
        _say(
            f"compiled the step in {time.perf_counter() - began:.1f} s; it needs "
            f"{needed / 2**30:.3f} GiB a device"
        )
        check_memory(needed, mesh.local_devices[0])
        meter = Meter(
            examples=config.batch_size,
            step_bytes=needed,
            flops=_countable_flops(experiment, mesh, batch),
            peak_flops=_peak_flops(config, mesh),
        )
        watchdog = Watchdog(
            workdir,
            process=jax.process_index(),
            processes=jax.process_count(),
            limit_seconds=config.watchdog_seconds,
        )
        closing.callback(watchdog.close)
        report = Report(workdir, config, start_step=start, total_steps=total)
        closing.callback(report.close)
        trace = Trace(workdir, config.profile.steps)
        closing.callback(trace.close)
        stream = batches(
            source,
            seed=config.seed,
            batch_size=config.batch_size,
            sharding=batch_sharding(mesh),
            start_step=start,
            stop_step=total,
        )
        closing.callback(stream.close)
        distributed.barrier("all processes have compiled the step")
        run_loop(
            state,
            train_step,
            stream,
            start_step=start,
            total_steps=total,
            config=config,
            batch_hash=functools.partial(_batch_hash, config, len(source)),
            checkpoints=checkpoints,
            report=report,
            meter=meter,
            trace=trace,
            watchdog=watchdog,
            must_stop=must_stop,
            probe=probe,
        )


def compile_only(
    config: ml_collections.ConfigDict, *, topology: str | None = None, workdir: Path | None = None
) -> None:
    """Compiles the full-size step and prints what it will cost.

    Needs no data where `data.image_size` is set: the images then have three channels.

    Args:
        config: from `jcl.config.base()`.
        topology: TPUs that need not be there (`jcl.cost.topology`); None takes the devices at hand.
        workdir: gets plan.json, if it is given.

    Raises:
        UserError: for anything in config, topology or workdir that the user must mend.
    """
    validate(config)
    if topology is None:
        mesh = make_mesh(**config.mesh)
    else:
        mesh = suit_hardware(make_mesh(**config.mesh, devices=topology_devices(topology)))
    check_even_split(config.batch_size, mesh, microbatches=config.microbatches)
    if config.data.image_size is not None:
        side = config.data.image_size
        # This sets constants of the schedule and the length of a method's tables: next to nothing.
        data = images_of(side, side, 3, examples=1000 * config.batch_size)
    else:
        data = shape_of(open_split(config, "train"))
    experiment = make_experiment(config, data)
    check_needs(experiment)
    if workdir is not None:
        workdir_lib.create(workdir)
    print(
        f"{config.method.name} with {config.encoder.name}, {config.batch_size} examples a step, "
        f"{config.precision}"
    )
    if config.data.image_size is not None and experiment.method.needs:
        print(f"supposed: that every image has a {experiment.method.needs[0]}")
    plan = make_plan(experiment, mesh, data.batch(config.batch_size))
    print(describe(plan))
    if config.mesh.fsdp > 1:
        state = experiment.state_shapes(mesh)
        print(describe_split(state.params, state))
    if workdir is not None:
        write_plan(workdir, plan, config, topology=topology)


def _batch_hash(config: ml_collections.ConfigDict, n: int, step: int) -> str:
    return batch_hash(batch_indices(step, n=n, batch_size=config.batch_size, seed=config.seed))


def _countable_flops(experiment, mesh, batch) -> float | None:
    try:
        return model_flops(experiment, mesh, batch)
    except UserError as error:  # a loop or kernel of the user's own: no reason not to train
        logging.warning("no MFU: %s", error)
        return None


def _peak_flops(config, mesh) -> float | None:
    limits = peak(mesh.devices.flat[0].device_kind)
    of_one = config.peak_flops or (limits and limits.flops)
    return of_one and of_one * mesh.size


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
    if distributed.is_first():
        print(message, file=sys.stderr, flush=True)


def main(argv) -> None:
    """The binary."""
    del argv
    if not _COMPILE_ONLY.value:
        distributed.start(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)
    config, flag = _CONFIG.value, flags.FLAGS["config"]
    given = config_flags.get_override_values(flag)
    dropped = drop_replaced_options(config, original=cli.config_of_file(flag), given=given)
    runtime.configure(config.precision, deterministic=config.deterministic)
    for line in dropped:
        _say(line)
    if _COMPILE_ONLY.value:
        workdir = Path(_WORKDIR.value) if _WORKDIR.value else None
        compile_only(config, topology=_TOPOLOGY.value, workdir=workdir)
    else:
        train(config, Path(_WORKDIR.value), accept_config_changes=_ACCEPT.value)


if __name__ == "__main__":
    _CONFIG = config_flags.DEFINE_config_file(
        "config", None, "configs/NAME.py[:args]; --config.KEY=VALUE overrides.", lock_config=True
    )
    _WORKDIR = flags.DEFINE_string("workdir", None, "Folder for all that the run leaves.")
    _ACCEPT = flags.DEFINE_bool(
        "accept_config_changes", False, "Resume although the config differs from the workdir's."
    )
    _COORDINATOR = flags.DEFINE_string(
        "coordinator", None, "HOST:PORT of process 0; where JAX finds the processes, not needed."
    )
    _PROCESSES = flags.DEFINE_integer("processes", None, "How many processes train together.")
    _PROCESS = flags.DEFINE_integer("process", None, "Which of them this is, from 0.")
    _COMPILE_ONLY = flags.DEFINE_bool(
        "compile_only", False, "Compile the full-size step, print its cost, train nothing."
    )
    _TOPOLOGY = flags.DEFINE_string(
        "topology", None, "With --compile_only: TPUs that need not be there, tpu:v5e:16x16."
    )
    flags.mark_flag_as_required("config")
    flags.register_multi_flags_validator(
        ["workdir", "compile_only"],
        lambda given: given["workdir"] or given["compile_only"],
        message="--workdir=DIR is missing: the folder for all that the run leaves",
    )
    flags.register_multi_flags_validator(
        ["topology", "compile_only"],
        lambda given: given["topology"] is None or given["compile_only"],
        message="--topology goes with --compile_only: it names devices that need not be there",
    )
    cli.run(main)
