"""What losses cost: `python -m benchmarks.losses [--losses=nt_xent] [--rows=2048] [--widths=128]`.

Prints a Markdown table of value and gradient for M rows of d dimensions in float32, of every public
loss: ours, the plain formulas in jnp, optax's NT-Xent and, where they are installed (`pip install
'.[benchmark]'`), those of lightly, pytorch-metric-learning and open_clip on the CPU.

M rows are M / 2 examples of two views, M / 2 queries with as many keys, or M / 2 tokens of images
and as many of texts; `benchmarks/inputs.py` has the inputs of every loss. Negatives and queues
are M / 2 further rows. Labels have 100 classes, targets 100 whole numbers and a window of 5.
Sinkhorn's codes are not a loss and have no gradient. No other library has SupReMix.

First, all implementations of a loss must agree in value and gradients. Then all losses of one M and
d run in turn, each round on fresh data. Times are medians over `--repeats`, and the ratio is that
of the medians. Memory is what XLA's program takes besides inputs and outputs. The share compares a
loss with a square matrix product timed in the same rounds. It is the part of that product's rate
which a loss would reach if it formed its logits once, and one product for each side that gets
gradients. Our losses do not form those of (i, j) and (j, i) separately, so it may exceed 100%.
Cases that would need more than 60% of the free memory are listed and not run. If other jobs share
the cores, `--clock=cpu` counts the CPU time of a loss over all threads instead of the elapsed time.
"""

import functools
import importlib.metadata
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import psutil
from absl import app, flags

from benchmarks import torch_losses
from benchmarks.agreement import check_agreement
from benchmarks.implementation import Implementation, Inputs
from benchmarks.jax_losses import LOSSES, implementations
from benchmarks.timing import interleaved
from jcl import runtime

_LOSSES = flags.DEFINE_list("losses", list(LOSSES), "Which.")
_ROWS = flags.DEFINE_list("rows", ["2048", "4096", "8192", "16384", "32768"], "Numbers of rows, M.")
_WIDTHS = flags.DEFINE_list("widths", ["128", "512"], "Dimensions of the embeddings, d.")
_CLOCK = flags.DEFINE_enum("clock", "wall", ["wall", "cpu"], "Which time; see above.")
_REPEATS = flags.DEFINE_integer("repeats", 7, "Timed runs of each.")
flags.register_validator(
    "losses",
    lambda losses: set(losses) <= set(LOSSES),
    f"allowed: {', '.join(LOSSES)}",
)
PACKAGES = ("jax", "optax", "torch", "lightly", "pytorch-metric-learning", "open_clip_torch")
PRODUCT = 4096  # rows of the square matrix product


def random_inputs(
    names: list[str], random: np.random.Generator, rows: int, width: int
) -> dict[str, Inputs]:
    """Those of every loss."""
    return jax.device_put({name: LOSSES[name].make_inputs(random, rows, width) for name in names})


def free_memory() -> int:
    """In bytes, where JAX computes."""
    stats = jax.devices()[0].memory_stats()  # None for a CPU
    if stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    return psutil.virtual_memory().available


def matmul_operations(made: Implementation, rows: int, width: int) -> float:
    """Of a loss: those of its logits and of the gradients of both sides."""
    if made.loss == "matmul":
        return 2 * PRODUCT**3
    return 2 * LOSSES[made.loss].products * rows**2 * width


def square_product() -> Implementation:
    multiply = jax.jit(lambda a, b: jnp.matmul(a, b, precision="highest"))
    square = jnp.ones((PRODUCT, PRODUCT))
    name = f"jnp, {PRODUCT:,} x {PRODUCT:,}"
    return Implementation("matmul", name, 0, 0, lambda batch: multiply(square, square))


def _of_its_loss(made: Implementation) -> Callable[[dict[str, Inputs]], Any]:
    return lambda batch: made.call(batch.get(made.loss))


def measure(rows: int, width: int) -> list[str]:
    """Prints rows of the table; returns what is missing from it."""
    names, random = _LOSSES.value, np.random.default_rng(0)
    make_inputs = functools.partial(random_inputs, names, random, rows, width)
    of_torch, missing = torch_losses.implementations(rows)
    found = [*implementations(names, make_inputs()), *of_torch]
    found = [made for loss in names for made in found if made.loss == loss]
    limit = 0.6 * free_memory()
    product = square_product()
    found.append(product)
    times = interleaved(
        {made: _of_its_loss(made) for made in found if made.peak_bytes <= limit},
        _REPEATS.value,
        lambda: (make_inputs(),),
        check_agreement,
        {"wall": time.perf_counter, "cpu": time.process_time}[_CLOCK.value],
    )
    medians = {made: statistics.median(seconds) for made, seconds in times.items()}
    of_plain = {made.loss: x for made, x in medians.items() if made.name == "plain jnp"}
    rate = matmul_operations(product, rows, width) / medians[product]
    for made in found:
        start = f"| {rows:,} | {width} | {made.loss} | {made.name} |"
        if made not in times:
            print(f"{start} not run (needs about {made.peak_bytes / 2**30:,.0f} GiB) | | | | | |")
            continue
        milliseconds = [1e3 * seconds for seconds in times[made]]
        memory = "" if made.xla_temporary is None else f"{made.xla_temporary / 2**20:,.0f}"
        median, operations = medians[made], matmul_operations(made, rows, width)
        ratio = f"{median / of_plain[made.loss]:.2f}" if made.loss in of_plain else ""
        print(
            f"{start} {1e3 * median:,.1f} | {min(milliseconds):,.1f} | {max(milliseconds):,.1f} | "
            f"{ratio} | {memory} | {f'{operations / median / rate:.0%}' if operations else ''} |",
            flush=True,
        )
    return missing


def versions() -> str:
    found = {distribution.name for distribution in importlib.metadata.distributions()}
    return ", ".join(f"{p} {importlib.metadata.version(p)}" for p in PACKAGES if p in found)


def main(argv: list[str]) -> None:
    del argv
    runtime.configure("float32")
    device = jax.devices()[0].device_kind
    print(f"{device}, {_REPEATS.value} repeats, {_CLOCK.value} time, float32; {versions()}\n")
    print(
        "| M | d | loss | by | median, ms | fastest | slowest | of plain jnp | "
        "XLA memory, MiB | share of matmul rate |\n|--:|--:|---|---|--:|--:|--:|--:|--:|--:|",
        flush=True,
    )
    for width in map(int, _WIDTHS.value):
        for rows in map(int, _ROWS.value):
            missing = measure(rows, width)
    print("", *missing, sep="\n")


if __name__ == "__main__":
    app.run(main)
