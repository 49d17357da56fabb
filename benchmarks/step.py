"""Costs of train steps: `python -m benchmarks.step [--cases=vit_b --batches=4096 --chunk=512]`.

Prints a Markdown table of the compiled train step of several configs, on random bytes that are on
the device: views per second, FLOPs and their share of the devices' peak (MFU), memory, and the
share of the step that makes views. That share is the time of the jitted views alone divided by the
time of the step, which makes the same views. `--chunk=N` embeds N examples at a time, by
`microbatches`. Then views are made twice, and their share is left out.

Times are medians over `--repeats`; step and views run in turn. Memory is what the compiled step
needs on a device. A step that does not fit has a row that says so. "First step" is how long a run
waits for it: tracing, compiling, drawing weights and one update; an empty folder in
JAX_COMPILATION_CACHE_DIR gives that of a machine that never compiled the step. On a CPU the batches
are small, and configs that ask for bfloat16 run in float32, which CPUs compute natively.
"""

import importlib
import statistics
import time
from collections.abc import Callable

import jax
import numpy as np
from absl import app, flags
from ml_collections import ConfigDict

from benchmarks.timing import interleaved
from benchmarks.views import compile_views, random_images
from jcl import config as config_lib
from jcl import runtime
from jcl.cost.devices import peak
from jcl.cost.memory import step_bytes
from jcl.data.dataset_shape import images_of
from jcl.experiment import Experiment, image_dtype, make_experiment
from jcl.mesh import batch_sharding, make_mesh
from jcl.plan import model_flops
from jcl.training.step import compile_train_step

# A config file, what is overridden in it, and its batch on a CPU and elsewhere.
CASES = {
    "shapes": ("simclr_shapes", {}, 128, 128),
    "cifar10": ("simclr_cifar10", {}, 32, 512),
    "resnet50": ("simclr_imagenet", {}, 8, 256),
    "vit_s": ("simclr_vit_imagenet", {}, 8, 256),
    "vit_b": ("simclr_vit_imagenet", {"encoder": {"name": "vit_b"}}, 4, 256),
}
SHAPES_SIZE = 32  # of the generated images, where a config names no size

_CASES = flags.DEFINE_list("cases", list(CASES), "Which.")
_BATCHES = flags.DEFINE_list("batches", [], "Examples of a step; by default, one size a case.")
_CHUNK = flags.DEFINE_integer("chunk", None, "Examples that are embedded at a time.", lower_bound=1)
_REPEATS = flags.DEFINE_integer("repeats", 9, "Timed runs of each.", lower_bound=1)
flags.register_validator(
    "cases", lambda cases: set(cases) <= set(CASES), f"allowed: {', '.join(CASES)}"
)


def make_config(case: str, batch: str | None) -> ConfigDict:
    file, changes, cpu_batch, usual_batch = CASES[case]
    on_cpu = jax.default_backend() == "cpu"
    config = importlib.import_module(f"configs.{file}").get_config()
    config_lib.update(config, changes)
    config.batch_size = int(batch) if batch else cpu_batch if on_cpu else usual_batch
    if _CHUNK.value:
        if config.batch_size % _CHUNK.value:
            raise SystemExit(
                f"--chunk={_CHUNK.value} does not divide {case}'s batch of {config.batch_size}"
            )
        config.microbatches = config.batch_size // _CHUNK.value
    if on_cpu:
        config.precision = "float32"
    return config


def random_batch(config: ConfigDict, size: int) -> dict[str, np.ndarray]:
    count = config.batch_size
    return {
        "image": random_images(count, size),
        "index": np.arange(count, dtype=np.int32),
        "label": np.zeros(count, np.int32),
    }


def compile_step(
    experiment: Experiment, mesh: jax.sharding.Mesh, batch: dict[str, jax.Array]
) -> tuple[Callable[[], object], int]:
    """One update on that batch, again and again, and the bytes it needs on a device."""
    shapes = experiment.state_shapes(mesh)
    options = experiment.step_options()
    compiled = compile_train_step(shapes, mesh=mesh, **options).lower(shapes, batch).compile()
    state = experiment.init_state(mesh)

    def step():
        nonlocal state  # the old one is donated
        state, metrics = compiled(state, batch)
        return metrics

    return step, step_bytes(compiled)


def measure(case: str, batch_size: str | None) -> str:
    """A row of the table."""
    config = make_config(case, batch_size)
    size = config.data.get("image_size") or SHAPES_SIZE
    mesh = make_mesh(**config.mesh)
    images = images_of(size, size, 3, examples=1000 * config.batch_size)
    experiment = make_experiment(config, images)
    start = f"| {case} | {config.precision} | {config.batch_size:,} | {config.microbatches} |"
    try:
        batch = jax.device_put(random_batch(config, size), batch_sharding(mesh))
        began = time.perf_counter()
        step, held = compile_step(experiment, mesh, batch)
        jax.block_until_ready(step())
        first = time.perf_counter() - began
        functions = {"step": step}
        if config.microbatches == 1:
            dtype = image_dtype(config)
            functions["views"] = compile_views(experiment.make_views, batch["image"], dtype)
        times = interleaved(functions, _REPEATS.value)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return f"{start} does not fit | | | | | | | | |"
    seconds = statistics.median(times["step"])
    views = experiment.views_per_example * config.batch_size
    rate = model_flops(experiment, mesh, batch) / seconds
    limits = peak(mesh.devices.flat[0].device_kind)
    share = statistics.median(times["views"]) / seconds if "views" in times else None
    return (
        f"{start} {1e3 * seconds:,.1f} | {1e3 * min(times['step']):,.1f} | "
        f"{1e3 * max(times['step']):,.1f} | {views / seconds:,.0f} | {rate / 1e12:,.3g} | "
        f"{f'{rate / mesh.size / limits.flops:.1%}' if limits else ''} | {held / 2**30:.2f} | "
        f"{'' if share is None else f'{share:.1%}'} | {first:.1f} |"
    )


def main(argv: list[str]) -> None:
    del argv
    runtime.configure("float32")
    print(f"{jax.device_count()} x {jax.devices()[0].device_kind}, {_REPEATS.value} repeats\n")
    print(
        "| case | precision | batch | microbatches | step, ms | fastest | slowest | views/s | "
        "TFLOP/s | MFU | memory a device, GiB | views' share | first step, s |\n"
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        flush=True,
    )
    for case in _CASES.value:
        for batch_size in _BATCHES.value or [None]:
            print(measure(case, batch_size), flush=True)


if __name__ == "__main__":
    app.run(main)
