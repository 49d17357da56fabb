"""What augmentation costs: `python -m benchmarks.augmentation`, from the root of the checkout.

Prints a Markdown table of the views per second of each recipe alone, on 32-pixel images and, of the
recipes for photographs, 224-pixel views of 256-pixel images. `python -m benchmarks.step`
gives the share of a train step that this takes.

All recipes run in turn; times are medians over `--repeats`. Images are random bytes: no recipe's
cost depends on them. On a CPU the batches are small.
"""

import statistics

import jax
from absl import app, flags

from benchmarks.timing import interleaved
from benchmarks.views import compile_views, random_images
from jcl import runtime
from jcl.augment import VIEWS
from jcl.config import base
from jcl.config.names import build

_REPEATS = flags.DEFINE_integer("repeats", 9, "Timed runs of each row.")
# Examples a batch, by image size.
CPU_BATCHES = {32: 64, 256: 8}
BATCHES = {32: 1024, 256: 256}
PHOTOGRAPHS = ("simclr_imagenet", "byol")


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


def main(argv: list[str]) -> None:
    del argv
    runtime.configure("float32")
    print(f"{jax.device_count()} x {jax.devices()[0].device_kind}, {_REPEATS.value} repeats\n")
    rates_table(CPU_BATCHES if jax.default_backend() == "cpu" else BATCHES)


if __name__ == "__main__":
    app.run(main)
