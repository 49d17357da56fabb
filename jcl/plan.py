"""What a train step will cost, from compiling it: `--compile_only`."""

import dataclasses
import functools
import time

import jax
import numpy as np
from jax.sharding import Mesh

from jcl.data.source import Source
from jcl.experiment import Experiment, make_experiment
from jcl.flops import count_flops
from jcl.step import compile_train_step, train_step

Batch = dict[str, jax.ShapeDtypeStruct]


@dataclasses.dataclass(frozen=True)
class Plan:
    """The cost of one step.

    Attributes:
        parameters: that the method owns, the frozen ones among them.
        flops: floating point operations of matrix products and convolutions over the whole mesh,
            forward, backward and recomputed, counted from the program before XLA sees it.
        xla_flops: XLA's own count of all operations of one device; it counts a loop's body once.
        argument_bytes: state and batch on one device.
        temporary_bytes: what else one device needs while the step runs.
        compile_seconds: how long lowering and compiling took.
    """

    parameters: int
    flops: float
    xla_flops: float
    argument_bytes: int
    temporary_bytes: int
    compile_seconds: float


def batch_shapes(source: Source, batch_size: int) -> Batch:
    """The shapes of a global batch of that many examples."""
    row = {**source.batch(np.arange(1)), "index": np.zeros(1, np.int32)}
    return {
        key: jax.ShapeDtypeStruct((batch_size, *value.shape[1:]), value.dtype)
        for key, value in row.items()
    }


def stand_in_batch(image_size: int, batch_size: int) -> Batch:
    """The shapes of a global batch of labelled colour images, for a dataset that is not at hand."""
    return {
        "image": jax.ShapeDtypeStruct((batch_size, image_size, image_size, 3), np.uint8),
        "label": jax.ShapeDtypeStruct((batch_size,), np.int32),
        "index": jax.ShapeDtypeStruct((batch_size,), np.int32),
    }


def make_plan(experiment: Experiment, mesh: Mesh, batch: Batch) -> Plan:
    """Lowers and compiles the full-size step for the mesh; allocates none of its arrays."""
    state = experiment.state_shapes(mesh)
    options = experiment.step_options()
    flops = step_flops(experiment, mesh, batch)
    began = time.perf_counter()
    compiled = compile_train_step(state, mesh=mesh, **options).lower(state, batch).compile()
    seconds = time.perf_counter() - began
    memory = compiled.memory_analysis()
    return Plan(
        parameters=sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        flops=flops,
        xla_flops=compiled.cost_analysis()["flops"],
        argument_bytes=memory.argument_size_in_bytes,
        # The new state takes the place of the donated one; only what does not is extra.
        temporary_bytes=memory.temp_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes,
        compile_seconds=seconds,
    )


def step_flops(experiment: Experiment, mesh: Mesh, batch: Batch) -> float:
    """`jcl.flops.count_flops` of one step over the whole mesh."""
    step = functools.partial(train_step, mesh=mesh, **experiment.step_options())
    return count_flops(step, experiment.state_shapes(mesh), batch)


def model_flops(experiment: Experiment, mesh: Mesh, batch: Batch) -> float:
    """The same for the step that recomputes nothing to save memory, the numerator of an MFU."""
    config = experiment.config.copy_and_resolve_references()
    config.microbatches = 1
    if config.encoder.remat:
        config.encoder.remat = False
    plain = make_experiment(
        config, image_shape=experiment.image_shape, examples=experiment.examples
    )
    return step_flops(plain, mesh, batch)


def describe(plan: Plan, mesh: Mesh) -> str:
    """The plan as the lines that `--compile_only` prints."""
    devices = mesh.size
    held, extra = plan.argument_bytes / 2**30, plan.temporary_bytes / 2**30
    rows = (
        ("parameters", f"{plan.parameters:,}"),
        ("FLOPs a step", f"{plan.flops:.4g} analytic (matrix products and convolutions)"),
        ("on each device", f"{plan.flops / devices:.4g} analytic"),
        ("", f"{plan.xla_flops:.4g} by XLA (all operations; a loop's body counts once)"),
        (
            "memory a device",
            f"{held + extra:.3f} GiB = {held:.3f} state and batch + {extra:.3f} temporary",
        ),
        (
            "compiled",
            f"in {plan.compile_seconds:.1f} s for {devices} x {mesh.devices.flat[0].device_kind}",
        ),
    )
    return "\n".join(f"{name:<16}{value}" for name, value in rows)
