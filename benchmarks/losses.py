"""What losses cost: `python -m benchmarks.losses [--losses=nt_xent] [--rows=2048] [--widths=128]`.

Prints a Markdown table of value and gradient for M rows (M / 2 examples of two views) of d
dimensions in float32: ours, the plain formulas in jnp, optax's NT-Xent and, where they are
installed (`pip install '.[benchmark]'`), those of lightly and pytorch-metric-learning on the CPU.
InfoNCE compares M / 2 queries with M / 2 keys; SupCon has 100 classes; SupReMix 100 whole numbers
as targets and a window of 5, and nobody else's to compare with.

First, all implementations of a loss must agree in value and gradients. Then all of an M and d run
in turn, each round on fresh data; times are medians over `--repeats`. Memory is what XLA's program
takes besides inputs and outputs. The share is that of the machine's rate for a square matrix
product, in the same rounds, which a loss would have if it formed its logits once and two products
for the gradient; ours does not form those of (i, j) and (j, i) apart, so it may exceed 100%. What
would need more than 60% of the free memory is listed and not run.
"""

import functools
import importlib.metadata
import statistics

import jax
import jax.numpy as jnp
import numpy as np
import psutil
from absl import app, flags

from benchmarks import jax_losses, torch_losses
from benchmarks.implementation import Implementation, Inputs
from benchmarks.timing import interleaved
from jcl import runtime

_LOSSES = flags.DEFINE_list("losses", list(jax_losses.LOSSES), "Which.")
_ROWS = flags.DEFINE_list("rows", ["2048", "4096", "8192", "16384", "32768"], "Numbers of rows, M.")
_WIDTHS = flags.DEFINE_list("widths", ["128", "512"], "Dimensions of the embeddings, d.")
_REPEATS = flags.DEFINE_integer("repeats", 7, "Timed runs of each.")
flags.register_validator(
    "losses",
    lambda losses: set(losses) <= set(jax_losses.LOSSES),
    f"allowed: {', '.join(jax_losses.LOSSES)}",
)
PACKAGES = ("jax", "optax", "torch", "lightly", "pytorch-metric-learning")
CLASSES = 100
PRODUCT = 4096  # rows of the square matrix product
TOLERANCE = 1e-3  # relative, of values and of gradients as vectors


def random_inputs(random: np.random.Generator, rows: int, width: int) -> Inputs:
    batch = rows // 2
    return jax.device_put(
        Inputs(
            *random.standard_normal((2, batch, width), np.float32),
            labels=random.integers(0, CLASSES, batch, dtype=np.int32),
            targets=random.integers(0, CLASSES, batch).astype(np.float32),
            key=random.integers(0, 2**32, 2, dtype=np.uint32),
        )
    )


def free_memory() -> int:
    """In bytes, where JAX computes."""
    stats = jax.devices()[0].memory_stats()  # None for a CPU
    if stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    return psutil.virtual_memory().available


def check_agreement(results: dict[Implementation, tuple]) -> None:
    """Ends the run where a loss is not ours, whose result stands before the others'."""
    expected = {}
    for made, result in results.items():
        if made.loss == "matmul":
            continue
        value, gradients = result[0], np.concatenate(result[1])
        expected_value, expected_gradients = expected.setdefault(made.loss, (value, gradients))
        error = np.linalg.norm(gradients - expected_gradients) / np.linalg.norm(expected_gradients)
        close = abs(value - expected_value) <= TOLERANCE * abs(expected_value)
        if not (close and error <= TOLERANCE):  # also where they are not numbers
            raise SystemExit(
                f"{made.name}'s {made.loss} is {value} and jcl's {expected_value} on the same "
                f"data, with gradients that differ by {error:.1e}: not the same function."
            )


def matmul_operations(made: Implementation, rows: int, width: int) -> int:
    """Of a loss: those of its logits and of the gradients of both sides."""
    if made.loss == "matmul":
        return 2 * PRODUCT**3
    side = rows // 2 if made.loss == "info_nce" else rows
    return 6 * side**2 * width


def square_product() -> Implementation:
    multiply = jax.jit(lambda a, b: jnp.matmul(a, b, precision="highest"))
    square = jnp.ones((PRODUCT, PRODUCT))
    name = f"jnp, {PRODUCT:,} x {PRODUCT:,}"
    return Implementation("matmul", name, 0, 0, lambda inputs: multiply(square, square))


def measure(rows: int, width: int) -> list[str]:
    """Prints rows of the table; returns what is missing from it."""
    make_inputs = functools.partial(random_inputs, np.random.default_rng(0), rows, width)
    of_torch, missing = torch_losses.implementations(rows)
    found = [*jax_losses.implementations(_LOSSES.value, make_inputs()), *of_torch]
    found = [made for loss in _LOSSES.value for made in found if made.loss == loss]
    limit = 0.6 * free_memory()
    product = square_product()
    found.append(product)
    times = interleaved(
        {made: made.call for made in found if made.peak_bytes <= limit},
        _REPEATS.value,
        lambda: (make_inputs(),),
        check_agreement,
    )
    rate = matmul_operations(product, rows, width) / statistics.median(times[product])
    for made in found:
        start = f"| {rows:,} | {width} | {made.loss} | {made.name} |"
        if made not in times:
            print(f"{start} not run (needs about {made.peak_bytes / 2**30:,.0f} GiB) | | | | |")
            continue
        milliseconds = [1e3 * seconds for seconds in times[made]]
        memory = "" if made.xla_temporary is None else f"{made.xla_temporary / 2**20:,.0f}"
        median = statistics.median(times[made])
        print(
            f"{start} {1e3 * median:,.1f} | {min(milliseconds):,.1f} | {max(milliseconds):,.1f} | "
            f"{memory} | {matmul_operations(made, rows, width) / median / rate:.0%} |",
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
    print(f"{device}, {_REPEATS.value} repeats, float32; {versions()}\n")
    print(
        "| M | d | loss | by | median, ms | fastest | slowest | XLA memory, MiB | "
        "share of matmul rate |\n|--:|--:|---|---|--:|--:|--:|--:|--:|",
        flush=True,
    )
    for width in map(int, _WIDTHS.value):
        for rows in map(int, _ROWS.value):
            missing = measure(rows, width)
    print("", *missing, sep="\n")


if __name__ == "__main__":
    app.run(main)
