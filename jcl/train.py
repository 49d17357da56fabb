"""Pretrains an encoder: `python -m jcl.train --config=configs/NAME.py --workdir=DIR`.

Started again with the same workdir, it resumes from the newest checkpoint.
"""

import contextlib
import functools
import sys
import time
from collections.abc import Callable

import jax
import ml_collections
from absl import flags, logging
from jax.sharding import Mesh

from jcl import runtime
from jcl.config.file import read_config_file
from jcl.cost.devices import peak
from jcl.cost.memory import check_memory, step_bytes
from jcl.data.dataset_shape import shape_of
from jcl.data.identity import Identity, files_of, identity, identity_number
from jcl.data.labelled import all_labelled
from jcl.data.loader import batches
from jcl.data.order import batch_hash
from jcl.data.text.kept import own_tokenizer, write_kept
from jcl.errors import UserError
from jcl.evaluation.at_epoch import make_at_epoch
from jcl.evaluation.left_out import foretold
from jcl.evaluation.periodic import make_online_probe
from jcl.experiment import (
    check_needs,
    check_resume,
    check_taken_embeddings,
    check_view_sizes,
    describe_networks,
    make_experiment,
    needs_every_label,
    open_config,
    open_split,
    read_command_line,
    resolved_options,
)
from jcl.experiment.listing import ALL, list_names
from jcl.mesh import batch_sharding, check_even_split, make_mesh
from jcl.optim.schedules import peak_learning_rate
from jcl.plan import compile_only, model_flops
from jcl.runtime import cli, distributed, preemption
from jcl.runtime import workdir as workdir_lib
from jcl.runtime.folder import Folder, is_remote
from jcl.runtime.lock import only_run_in
from jcl.runtime.meter import Meter
from jcl.runtime.metrics import Report
from jcl.runtime.trace import Trace
from jcl.runtime.wandb_writer import check_installed
from jcl.runtime.watchdog import Watchdog
from jcl.training.checkpoint import Checkpoints, saved_steps
from jcl.training.fsdp import describe_split
from jcl.training.loop import Intervals, Run, run_loop
from jcl.training.state import TrainState
from jcl.training.step import compile_train_step
from jcl.training.warm_start import warm_start
from jcl.weights.tables import tables_by_section


def train(
    config: ml_collections.ConfigDict, workdir: Folder, *, accept_config_changes: bool
) -> None:
    """Trains to the end of the config's schedule, from the start or from a checkpoint.

    Call `jcl.runtime.configure` first, as the binary does.

    Args:
        config: from `jcl.config.base()`.
        workdir: folder for everything that the run writes; made if it is missing.
        accept_config_changes: resume even if config or data differ from those of the workdir.

    Raises:
        UserError: before training, for anything in config, data or workdir that the user must
            correct; during training, for a loss that is not finite or data that cannot be read.
        Preempted: a notice of preemption came, and the state is saved.
    """
    with contextlib.ExitStack() as closing:
        run = prepare(config, workdir, accept_config_changes=accept_config_changes, closing=closing)
        if run is not None:
            run_loop(run)


def prepare(
    config: ml_collections.ConfigDict,
    workdir: Folder,
    *,
    accept_config_changes: bool,
    closing: contextlib.ExitStack,
) -> Run | None:
    """Makes everything that a run needs: devices, data, state, workdir, the compiled step, meters.

    Nothing is written before all settings were checked.

    Args:
        config: see `train`.
        workdir: see `train`.
        accept_config_changes: see `train`.
        closing: gets the objects that must be closed at the end of the run.

    Returns:
        The run; None if it is already complete.
    """
    config = open_config(config)
    check_installed(config)
    _check_remote(config, workdir)
    mesh = make_mesh(**config.mesh)
    check_even_split(config.batch_size, mesh, microbatches=config.microbatches)
    # Before the first checkpoint, no network was trained with the run's tokenizer.
    resumes = bool(saved_steps(workdir))
    own = functools.partial(own_tokenizer, workdir, config.data.tokenizer) if resumes else None
    with distributed.first_then_others("the data are there"):
        source = open_split(config, "train", tokenizer=own)
    data = identity(source, files_of(config.data))
    if not distributed.same_everywhere(identity_number(data)):
        raise UserError(
            f"data.name={config.data.name!r} is not the same in all processes: this one has "
            f"{_said(data)}; each must read the same files"
        )
    experiment = make_experiment(config, shape_of(source))
    check_needs(experiment)
    if not resumes:
        check_view_sizes(experiment.config, experiment.data)
    if distributed.is_first():
        for said in foretold(config, source):
            _say(f"evaluation: {said}")
    probe = make_online_probe(experiment, source, mesh)
    at_epoch = make_at_epoch(experiment, source, mesh)
    state, origin = _first_state(experiment, workdir, mesh)
    tokenizer = getattr(source, "tokenizer", None)
    check_taken_embeddings(state.params, origin or (), tokenizer)
    checkpoints = _enter(workdir, config, data, accept=accept_config_changes, closing=closing)
    if not resumes and distributed.is_first():
        write_kept(workdir, tokenizer)
    restored = checkpoints.restore_newest(state)
    state = state if restored is None else restored
    start, total = int(state.step), experiment.length.total_steps
    if distributed.is_first():
        options = resolved_options(config)
        workdir_lib.write_run(workdir, start_step=start, origin=origin, options=options, data=data)
    _say_plan(experiment, state, mesh, workdir, start, len(source), origin)
    if start >= total:
        _say(f"{workdir} is complete: step {start} of {total}")
        return None
    # A notice that comes while the step compiles takes effect after the first step.
    must_stop = closing.enter_context(preemption.notice())
    train_step, meter = _compile_step(experiment, state, mesh)
    watchdog = Watchdog(
        workdir,
        process=jax.process_index(),
        processes=jax.process_count(),
        total_steps=total,
        limit_seconds=config.watchdog_seconds,
    )
    report = Report(workdir, config, start_step=start, total_steps=total)
    trace = Trace(workdir, config.profile.steps)
    stream = batches(
        all_labelled(source) if needs_every_label(experiment.method) else source,
        order=experiment.order,
        batch_size=config.batch_size,
        sharding=batch_sharding(mesh),
        start_step=start,
        stop_step=total,
    )
    for instrument in (watchdog, report, trace, stream):
        closing.callback(instrument.close)
    distributed.barrier("all processes have compiled the step")
    return Run(
        state=state,
        train_step=train_step,
        batches=stream,
        start_step=start,
        total_steps=total,
        every=Intervals(
            log=config.log_every_steps,
            save=config.checkpoint.every_steps,
            probe=config.probe.every_steps,
        ),
        batch_hash=lambda step: batch_hash(experiment.order.batch_indices(step)),
        checkpoints=checkpoints,
        report=report,
        meter=meter,
        trace=trace,
        watchdog=watchdog,
        must_stop=must_stop,
        probe=probe and functools.partial(probe, tell=report.write_score),
        at_epoch=at_epoch,
    )


def _first_state(experiment, workdir: Folder, mesh: Mesh) -> tuple[TrainState, list[dict] | None]:
    """The state before the first step, and the origins of networks from other runs, if any."""
    config, state = experiment.config, experiment.init_state(mesh)
    if config.init_from is None or saved_steps(workdir):  # a checkpoint overrides `init_from`
        return state, None
    # A run that was killed before its first checkpoint loads the same steps again.
    earlier = workdir_lib.read_origin_steps(workdir)
    tables = tables_by_section(experiment.method)
    state, origin = warm_start(
        state, config.init_from, step=config.init_step, earlier=earlier, tables=tables
    )
    return experiment.adopt(state), origin


def _enter(
    workdir: Folder,
    config: ml_collections.ConfigDict,
    data: Identity,
    *,
    accept: bool,
    closing: contextlib.ExitStack,
) -> Checkpoints:
    """Makes the workdir, or checks that an existing one belongs to the same run.

    Of several processes the first one writes, after all have checked.
    """
    first = distributed.is_first()
    distributed.barrier("all processes looked at the workdir")
    if first:
        workdir_lib.create(workdir)
        closing.enter_context(only_run_in(workdir))
    distributed.check_same_folder(workdir)
    checkpoints = closing.enter_context(Checkpoints(workdir, keep=config.checkpoint.keep))
    if checkpoints.steps:
        for change in check_resume(workdir, config, data, accept=accept):
            logging.warning("accepted change %s", change)
    distributed.barrier("all processes looked at the saved config")
    if first:
        workdir_lib.write_config(workdir, config)
    return checkpoints


def _compile_step(experiment, state: TrainState, mesh: Mesh) -> tuple[Callable, Meter]:
    """The compiled step, and its meter."""
    config = experiment.config
    train_step = compile_train_step(state, mesh=mesh, **experiment.step_options())
    began = time.perf_counter()
    batch = experiment.data.batch(config.batch_size)
    cache = jax.config.jax_compilation_cache_dir
    _say(f"compiling the step; the next start finds it in {cache} and is quicker")
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
    return train_step, meter


def _countable_flops(experiment, mesh, batch) -> float | None:
    try:
        return model_flops(experiment, mesh, batch)
    except UserError as error:  # a loop or kernel of the user, which does not prevent training
        logging.warning("no MFU: %s", error)
        return None


def _peak_flops(config, mesh) -> float | None:
    limits = peak(mesh.devices.flat[0].device_kind)
    of_one = config.peak_flops or (limits and limits.flops)
    return of_one and of_one * mesh.size


def _check_remote(config: ml_collections.ConfigDict, workdir: Folder) -> None:
    """Warns that nobody has tried Google's storage, and refuses options that cannot write there."""
    if not is_remote(workdir):
        return
    for key, value in (
        ("profile.steps", config.profile.steps),
        ("wandb.project", config.wandb.project),
    ):
        if value is not None:
            raise UserError(f"{key}={value!r} writes files of its own: it takes a local workdir")
    _say(f"workdir {workdir}: nobody has tried jcl on Google's storage, by etils and Orbax, so far")
    if distributed.is_first():
        workdir_lib.create(workdir)  # now, because packages may be missing; no empty folder remains


def _said(data: Identity) -> str:
    shapes = (f"{key} {dtype}{shape}" for key, (dtype, shape) in data["example"].items())
    return f"{data['examples']:,} examples of {', '.join(shapes)}"


def _say_plan(experiment, state, mesh, workdir, start, n, origin) -> None:
    config, length = experiment.config, experiment.length
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    _say(
        f"{describe_networks(config)} ({parameters:,} parameters) on {config.data.name} "
        f"({n:,} examples)\n"
        f"steps {start} to {length.total_steps} of {config.batch_size} examples, "
        f"{length.steps_per_epoch} an epoch, {length.warmup_steps} of warm-up; "
        f"peak learning rate {peak_learning_rate(config):.4g} "
        f"(scaling {config.optimizer.scaling})\n"
        f"mesh {dict(mesh.shape)} of {mesh.devices.flat[0].device_kind}; workdir {workdir}"
    )
    if config.mesh.fsdp > 1:
        _say(describe_split(state.params, state))
    for taken in origin or ():
        _say("networks: {part}, from step {step} of {workdir}".format(**taken))


def _say(message: str) -> None:
    if distributed.is_first():
        print(message, file=sys.stderr, flush=True)


def main(parsed) -> None:
    """The binary."""
    if parsed is None:
        cli.show(list_names(_LIST.value))
        return
    config, lines = parsed
    if not _COMPILE_ONLY.value:
        distributed.start(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)
    runtime.configure(config.precision, deterministic=config.deterministic)
    for line in lines:
        _say(line)
    if _COMPILE_ONLY.value:
        compile_only(config, topology=_TOPOLOGY.value, workdir=_WORKDIR.value)
    else:
        train(config, _WORKDIR.value, accept_config_changes=_ACCEPT.value)


def _parse(argv):
    """The config of the command line and messages; None if names are listed."""
    flags.FLAGS(argv, known_only=True)
    if _LIST.value is not None:
        cli.parse_flags(argv)
        return None
    return cli.parse_config(argv, lambda: read_config_file(_CONFIG.value), read_command_line)


if __name__ == "__main__":
    _CONFIG = flags.DEFINE_string(
        "config", None, "configs/NAME.py[:args]; --config.KEY=VALUE overrides."
    )
    _WORKDIR = cli.define_folder("workdir", "Folder for everything that the run writes.")
    _ACCEPT = flags.DEFINE_bool(
        "accept_config_changes", False, "Resume although config or data differ."
    )
    _LIST = cli.define_optional_string(
        "list", ALL, "List all names; --list=method.simclr: the options of a name."
    )
    _COORDINATOR = flags.DEFINE_string(
        "coordinator", None, "HOST:PORT of process 0; not needed where JAX finds the processes."
    )
    _PROCESSES = flags.DEFINE_integer("processes", None, "Number of processes of the run.")
    _PROCESS = flags.DEFINE_integer("process", None, "Number of this process, from 0.")
    _COMPILE_ONLY = flags.DEFINE_bool(
        "compile_only", False, "Compile the full-size step, print its cost, train nothing."
    )
    _TOPOLOGY = flags.DEFINE_string(
        "topology", None, "With --compile_only: devices that need not be there, tpu:v5e:16x16."
    )
    flags.register_multi_flags_validator(
        ["config", "list"],
        lambda given: given["config"] or given["list"],
        message="--config=configs/NAME.py is missing: what to train",
    )
    flags.register_multi_flags_validator(
        ["workdir", "compile_only", "list"],
        lambda given: given["workdir"] or given["compile_only"] or given["list"],
        message="--workdir=DIR is missing: the folder for all that the run leaves",
    )
    flags.register_multi_flags_validator(
        ["topology", "compile_only"],
        lambda given: given["topology"] is None or given["compile_only"],
        message="--topology needs --compile_only, because its devices need not exist",
    )
    cli.run(main, _parse)
