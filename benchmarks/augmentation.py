"""What augmentation costs: `python -m benchmarks.augmentation`, from the root of the checkout.

Prints two Markdown tables. The first has the views per second of each recipe alone, on 32-pixel
images and, of the recipes for photographs, 224-pixel views of 256-pixel images. The second has the
share of the compiled train step that making its views takes: the time of the jitted views over that
of the step, which makes the same views.

Everything that a table compares runs in turn; times are medians over `--repeats`. Images are random
bytes: no recipe's cost depends on them. On a CPU the batches are small, and configs that ask for
bfloat16 run in float32, which CPUs compute natively.
"""

import importlib
import statistics
from collections.abc import Callable

import jax
import numpy as np
from absl import app, flags

from benchmarks.timing import interleaved
from jcl import runtime
from jcl.augment import VIEWS
from jcl.augment.image import to_float
from jcl.config import base
from jcl.data.dataset_shape import images_of
from jcl.experiment import make_experiment
from jcl.mesh import batch_sharding, make_mesh
from jcl.names import build
from jcl.step import compile_train_step

_REPEATS = flags.DEFINE_integer("repeats", 9, "Timed runs of each row.")
_CONFIGS = flags.DEFINE_list(
    "configs", ["simclr_shapes", "simclr_cifar10", "simclr_imagenet"], "Of the second table."
)
# Examples a batch: of the first table by image size, of the second by config.
CPU_BATCHES = {32: 64, 256: 8, "simclr_shapes": 128, "simclr_cifar10": 32, "simclr_imagenet": 8}
BATCHES = {32: 1024, 256: 256, "simclr_shapes": 128, "simclr_cifar10": 512, "simclr_imagenet": 256}
PHOTOGRAPHS = ("simclr_imagenet", "byol")
SHAPES_SIZE = 32  # of the generated images, where a config names no size


def random_images(count: int, size: int) -> np.ndarray:
    """Random bytes: uint8 [count, size, size, 3]."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def compile_views(make_views: Callable, images: jax.Array) -> Callable[[], jax.Array]:
    """The views of a fixed batch of bytes, from bytes to floats as in the train step."""
    keys = jax.random.split(jax.random.key(0), len(images))
    views = jax.jit(lambda keys, images: make_views(keys, to_float(images)))
    return lambda: views(keys, images)


def compile_step(config) -> tuple[Callable[[], object], Callable[[], jax.Array]]:
    """One update of a config's train step, and its views alone, on a fixed batch."""
    mesh = make_mesh(**config.mesh)
    size = config.data.image_size or SHAPES_SIZE
    count = config.batch_size
    experiment = make_experiment(config, images_of(size, size, 3, examples=1000 * count))
    batch = {
        "image": random_images(count, size),
        "index": np.arange(count, dtype=np.int32),
        "label": np.zeros(count, np.int32),
    }
    batch = jax.device_put(batch, batch_sharding(mesh))
    state = experiment.init_state(mesh)
    train_step = compile_train_step(state, mesh=mesh, **experiment.step_options())

    def step():
        nonlocal state  # the old one is donated
        state, metrics = train_step(state, batch)
        return metrics

    return step, compile_views(experiment.make_views, batch["image"])


def rates_table(batches: dict) -> None:
    recipes = [name for name in VIEWS if name != "feature_noise"]  # which takes no images
    cases = [(name, 32, None) for name in recipes] + [(name, 256, 224) for name in PHOTOGRAPHS]
    functions = {}
    for case in cases:
        name, size, view_size = case
        section = base().views
        section.update({"name": name, "size": view_size})
        images = jax.device_put(random_images(batches[size], size))
        functions[case] = compile_views(build("views", section, VIEWS), images)
    print("| recipe | image | view | batch | views/s | slowest | fastest |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for (name, size, view_size), times in interleaved(functions, _REPEATS.value).items():
        count = batches[size]
        rates = [2 * count / taken for taken in times]
        values = f"{statistics.median(rates):,.0f} | {min(rates):,.0f} | {max(rates):,.0f}"
        print(f"| {name} | {size} | {view_size or size} | {count} | {values} |", flush=True)


def share_table(batches: dict) -> None:
    print("\n| config | precision | batch | views, ms | step, ms | share of the step |")
    print("|---|---|--:|--:|--:|--:|")
    for name in _CONFIGS.value:
        config = importlib.import_module(f"configs.{name}").get_config()
        config.batch_size = batches.get(name, config.batch_size)
        if jax.default_backend() == "cpu":
            config.precision = "float32"
        functions = dict(zip(("step", "views"), compile_step(config), strict=True))
        step, views = map(statistics.median, interleaved(functions, _REPEATS.value).values())
        print(
            f"| {name} | {config.precision} | {config.batch_size} | {1e3 * views:.1f} | "
            f"{1e3 * step:.1f} | {views / step:.1%} |",
            flush=True,
        )


def main(argv: list[str]) -> None:
    del argv
    runtime.configure("float32")
    batches = CPU_BATCHES if jax.default_backend() == "cpu" else BATCHES
    print(f"{jax.device_count()} x {jax.devices()[0].device_kind}, {_REPEATS.value} repeats\n")
    rates_table(batches)
    share_table(batches)


if __name__ == "__main__":
    app.run(main)
