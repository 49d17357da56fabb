"""The cost of a train step, found by compiling it: `--compile_only`."""

import dataclasses
import functools
import json
import sys
import time

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from jcl.cost import hlo
from jcl.cost.devices import memory_limit, peak
from jcl.cost.flops import count_flops
from jcl.cost.memory import step_bytes
from jcl.cost.roofline import Roofline, make_roofline
from jcl.cost.topology import suit_hardware, topology_devices
from jcl.cost.traffic import measure_traffic
from jcl.data.dataset_shape import images_of, shape_of
from jcl.errors import UserError
from jcl.experiment import (
    Experiment,
    check_needs,
    check_view_sizes,
    describe_networks,
    make_experiment,
    open_config,
    open_split,
)
from jcl.experiment.tables import networks_of
from jcl.mesh import check_even_split, make_mesh
from jcl.runtime import workdir as workdir_lib
from jcl.runtime.folder import Folder
from jcl.runtime.workdir import package_versions, write_atomically
from jcl.training.fsdp import describe_split
from jcl.training.step import compile_train_step, train_step

PLAN = "plan.json"

Batch = dict[str, jax.ShapeDtypeStruct]


@dataclasses.dataclass(frozen=True)
class Plan:
    """The cost of one step.

    Attributes:
        device_kind: JAX's name of the device.
        devices: number of devices.
        views: number of views per step, over all devices.
        parameters: number of parameters of the method, including frozen ones.
        flops: floating point operations of matrix products and convolutions over the whole mesh,
            forward, backward and recomputed, counted from the program before XLA sees it.
        model_flops: the same without what microbatches and remat recompute: what MFU counts.
        xla_flops: of all operations of one device, by XLA; None where XLA does not say, as of GPUs
            that are not there.
        bytes_accessed: that the operations of one device read and write, by XLA; some of it in
            caches, and without what custom calls move, which are all convolutions on GPUs. None
            likewise.
        memory_bytes: that one device reads from and writes to its memory, by `jcl.cost.traffic`.
        collective_bytes: that one device sends to others, by kind of operation.
        argument_bytes: state and batch on one device.
        temporary_bytes: further memory of one device during the step.
        unknown_loops: number of loops whose body counts once in the numbers of the compiled
            program, because it is not known how often it runs; other loops count every trip.
        compile_seconds: time of lowering and compiling.
        roofline: None if the device's peaks are not known.
        limit_bytes: device memory that programs may use; None if it is not known.
        fits: whether arguments and temporaries fit into `limit_bytes`.
    """

    device_kind: str
    devices: int
    views: int
    parameters: int
    flops: float
    model_flops: float
    xla_flops: float | None
    bytes_accessed: float | None
    memory_bytes: float
    collective_bytes: dict[str, float]
    argument_bytes: int
    temporary_bytes: int
    unknown_loops: int
    compile_seconds: float
    roofline: Roofline | None
    limit_bytes: int | None
    fits: bool | None


def compile_only(
    config: ConfigDict, *, topology: str | None = None, workdir: Folder | None = None
) -> None:
    """Compiles the full-size step and prints its cost.

    If `data.image_size` is set, no data are needed: images then have three channels, and texts, if
    the method has a text network, `data.text_length` tokens.

    Args:
        config: from `jcl.config.base()`.
        topology: devices that need not be there, see `jcl.cost.topology`; None takes those at hand.
        workdir: gets plan.json, if it is given.

    Raises:
        UserError: for anything in config, topology or workdir that the user must correct.
    """
    config = open_config(config)
    if topology is None:
        mesh = make_mesh(**config.mesh)
    else:
        mesh = suit_hardware(make_mesh(**config.mesh, devices=topology_devices(topology)))
    check_even_split(config.batch_size, mesh, microbatches=config.microbatches)
    side = config.data.get("image_size")
    if side is not None:
        # This only sets constants of the schedule and the length of a method's tables.
        has_text = "text_encoder" in networks_of(config.method.name)
        length = config.data.text_length if has_text else None
        data = images_of(side, side, 3, examples=1000 * config.batch_size, text_length=length)
    else:
        data = shape_of(open_split(config, "train"))
    experiment = make_experiment(config, data)
    check_needs(experiment)
    check_view_sizes(experiment.config, data)
    if workdir is not None:
        workdir_lib.create(workdir)
    print(f"{describe_networks(config)}; {config.batch_size} examples a step, {config.precision}")
    supposed = [need for need in experiment.method.needs if need != "image"]
    if side is not None and supposed:
        print(f"supposed: that every image has a {supposed[0]}")
    plan = make_plan(experiment, mesh, data.batch(config.batch_size))
    print(describe(plan))
    if config.mesh.fsdp > 1:
        state = experiment.state_shapes(mesh)
        print(describe_split(state.params, state))
    if workdir is not None:
        write_plan(workdir, plan, config, topology=topology)


def make_plan(experiment: Experiment, mesh: Mesh, batch: Batch) -> Plan:
    """Lowers and compiles the full-size step for the mesh; allocates none of its arrays.

    Raises:
        UserError: the compiler says that the step does not fit into a device.
    """
    state = experiment.state_shapes(mesh)
    device_kind = mesh.devices.flat[0].device_kind
    began = time.perf_counter()
    lowered = compile_train_step(state, mesh=mesh, **experiment.step_options()).lower(state, batch)
    compiled = _compile(lowered, device_kind)
    seconds = time.perf_counter() - began
    analysis = compiled.cost_analysis() or {}
    traffic = measure_traffic(hlo.parse(compiled.as_text()), devices=mesh.size)
    flops, model = step_flops(experiment, mesh, batch), model_flops(experiment, mesh, batch)
    views = batch["index"].shape[0] * experiment.views_per_example
    xla_flops = _plus(analysis.get("flops"), traffic.further_flops)
    bytes_accessed = _plus(analysis.get("bytes accessed"), traffic.further_bytes)
    held, needed = compiled.memory_analysis().argument_size_in_bytes, step_bytes(compiled)
    limits, most = peak(device_kind), memory_limit(mesh.devices.flat[0])
    return Plan(
        device_kind=device_kind,
        devices=mesh.size,
        views=views,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        flops=flops,
        model_flops=model,
        xla_flops=xla_flops,
        bytes_accessed=bytes_accessed,
        memory_bytes=traffic.memory_bytes,
        collective_bytes=traffic.collective_bytes,
        argument_bytes=held,
        temporary_bytes=needed - held,
        unknown_loops=traffic.unknown_loops,
        compile_seconds=seconds,
        roofline=limits
        and make_roofline(
            limits,
            flops=flops / mesh.size,
            model_flops=model / mesh.size,
            bytes_accessed=max(bytes_accessed or 0, traffic.memory_bytes),
            bytes_sent=sum(traffic.collective_bytes.values()),
            views=views,
        ),
        limit_bytes=most,
        fits=None if most is None else needed <= most,
    )


def _plus(of_loops_once: float | None, further: float) -> float | None:
    return None if of_loops_once is None else of_loops_once + further


def step_flops(experiment: Experiment, mesh: Mesh, batch: Batch) -> float:
    """`jcl.cost.flops.count_flops` of one step over the whole mesh."""
    step = functools.partial(train_step, mesh=mesh, **experiment.step_options())
    return count_flops(step, experiment.state_shapes(mesh), batch)


def model_flops(experiment: Experiment, mesh: Mesh, batch: Batch) -> float:
    """The same for the step that recomputes nothing to save memory, the numerator of an MFU."""
    config = experiment.config.copy_and_resolve_references()
    config.microbatches = 1
    for title in networks_of(config.method.name):
        if config[title].get("remat"):
            config[title].remat = False
    plain = make_experiment(config, experiment.data)
    return step_flops(plain, mesh, batch)


def _compile(lowered: jax.stages.Lowered, device_kind: str) -> jax.stages.Compiled:
    try:
        return lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise UserError(
            f"the step does not fit into the memory of one {device_kind}: more microbatches or "
            f"devices, or a smaller batch, need less ({str(error).splitlines()[0]})"
        ) from error


def describe(plan: Plan) -> str:
    """The plan as the lines that `--compile_only` prints."""
    held, extra = plan.argument_bytes / 2**30, plan.temporary_bytes / 2**30
    sent = " + ".join(f"{size:.4g} {kind}" for kind, size in plan.collective_bytes.items())
    loops = "all operations, every trip of a loop"
    if plan.unknown_loops:
        loops += f" but of {plan.unknown_loops} of unknown length, which count once"
    rows = [
        ("parameters", f"{plan.parameters:,}"),
        ("FLOPs a step", f"{plan.flops:.4g} analytic (matrix products and convolutions)"),
        ("on each device", f"{plan.flops / plan.devices:.4g} analytic"),
        ("", _by_xla(plan.xla_flops, f" ({loops})")),
        ("bytes accessed", _by_xla(plan.bytes_accessed, ", likewise")),
        ("", f"{plan.memory_bytes:.4g} of device memory, by the compiled program's text"),
        ("bytes sent", f"{sum(plan.collective_bytes.values()):.4g}" + (sent and f" = {sent}")),
        (
            "memory a device",
            f"{held + extra:.3f} GiB = {held:.3f} state and batch + {extra:.3f} temporary",
        ),
    ]
    if plan.limit_bytes is not None:
        fits = "fits" if plan.fits else "does not fit"
        rows.append(("", f"{fits} into {plan.limit_bytes / 2**30:.1f} GiB"))
    roofline = plan.roofline
    if roofline is None:
        rows.append(
            ("at best", f"not known: no peaks of {plan.device_kind} in jcl/cost/devices.py")
        )
    else:
        rows += [
            (
                "at best",
                f"{1e3 * roofline.step_seconds:.1f} ms a step, the longest of "
                f"{1e3 * roofline.memory_seconds:.1f} for bytes accessed, "
                f"{1e3 * roofline.compute_seconds:.1f} for FLOPs, "
                f"{1e3 * roofline.interconnect_seconds:.1f} for bytes sent",
            ),
            ("", f"{roofline.views_per_second:,.0f} views/s, MFU {100 * roofline.mfu:.1f}%"),
        ]
    rows.append(
        ("compiled", f"in {plan.compile_seconds:.1f} s for {plan.devices} x {plan.device_kind}")
    )
    return "\n".join(f"{name:<16}{value}" for name, value in rows)


def _by_xla(count: float | None, which: str) -> str:
    return "not told by XLA" if count is None else f"{count:.4g} by XLA{which}"


def write_plan(workdir: Folder, plan: Plan, config: ConfigDict, *, topology: str | None) -> None:
    """Writes plan.json: every figure, and what it was made from.

    Args:
        workdir: an existing folder.
        plan: the figures.
        config: as asked.
        topology: as given; None for the devices of this machine.
    """
    written = {
        "command_line": sys.argv,
        "packages": package_versions(),
        "topology": topology,
        "config": config.to_dict(),
        "plan": dataclasses.asdict(plan),
    }
    write_atomically(workdir / PLAN, json.dumps(written, indent=2) + "\n")
