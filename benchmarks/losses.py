"""What NT-Xent costs: `python -m benchmarks.losses [--rows=2048,16384] [--widths=128]`.

Value and gradient, for M rows (2B embeddings) of d dimensions in float32: ours, the plain formula
in jnp with its M x M logits, and the losses of lightly and pytorch-metric-learning in PyTorch where
those are installed. All implementations of a row run in turn on the same fresh data; times are
medians over `--repeats`. Memory is XLA's temporary memory of the compiled program. The share is
that of the machine's rate for a square matrix product, measured in the same turn, that the 6 M^2 d
operations of a loss without symmetry would reach, so with symmetry it may exceed 100%.
"""

import importlib
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from jcl import runtime
from jcl.losses import dcl, nt_xent

_ROWS = flags.DEFINE_list("rows", ["2048", "4096", "8192", "16384"], "Numbers of rows, M.")
_WIDTHS = flags.DEFINE_list("widths", ["128"], "Dimensions of the embeddings, d.")
_REPEATS = flags.DEFINE_integer("repeats", 7, "Timed runs of each.")
TEMPERATURE = 0.1
PRODUCT = 4096  # rows of the square matrix product


def plain_nt_xent(z0: jax.Array, z1: jax.Array) -> jax.Array:
    """The formula as one would write it first."""
    z = jnp.concatenate([z0, z1])
    z = z / jnp.linalg.norm(z, axis=1, keepdims=True)
    logits = jnp.matmul(z, z.T, precision="highest") / TEMPERATURE
    index = jnp.arange(len(z))
    logits = jnp.where(index[:, None] == index, -jnp.inf, logits)
    positive = logits[index, (index + len(z0)) % len(z)]
    return (jax.nn.logsumexp(logits, axis=1) - positive).mean()


JAX_LOSSES = {
    "jcl nt_xent": lambda z0, z1: nt_xent(z0, z1, temperature=TEMPERATURE),
    "jcl dcl": lambda z0, z1: dcl(z0, z1, temperature=TEMPERATURE),
    "plain jnp": plain_nt_xent,
}


def compile_jax(loss: Callable, rows: int, width: int) -> tuple[Callable, float]:
    """A function of NumPy views that waits for value and gradient, and its memory in MiB."""
    z = jax.ShapeDtypeStruct((rows // 2, width), jnp.float32)
    compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1))).lower(z, z).compile()
    memory = compiled.memory_analysis().temp_size_in_bytes / 2**20
    return lambda z0, z1: jax.block_until_ready(compiled(z0, z1)), memory


def torch_losses() -> dict[str, Callable]:
    """Those of the PyTorch libraries that can be imported, as functions of NumPy views."""
    losses = {}
    for name, module, attribute in (
        ("lightly NTXentLoss", "lightly.loss", "NTXentLoss"),
        ("lightly DCLLoss", "lightly.loss", "DCLLoss"),
        ("pytorch-metric-learning", "pytorch_metric_learning.losses", "SelfSupervisedLoss"),
    ):
        try:
            import torch

            made = getattr(importlib.import_module(module), attribute)
        except ImportError:
            continue
        if attribute == "SelfSupervisedLoss":
            ntxent = importlib.import_module(module).NTXentLoss(temperature=TEMPERATURE)
            loss = made(ntxent)
        else:
            loss = made(temperature=TEMPERATURE)

        def value_and_gradient(z0, z1, loss=loss):
            views = [torch.tensor(z, requires_grad=True) for z in (z0, z1)]
            # lightly normalises its inputs, as does pytorch-metric-learning.
            loss(*views).backward()

        losses[name] = value_and_gradient
    return losses


def measure(rows: int, width: int) -> None:
    functions, memories = {}, {}
    for name, loss in JAX_LOSSES.items():
        functions[name], memories[name] = compile_jax(loss, rows, width)
    functions |= torch_losses()
    multiply = jax.jit(jnp.matmul)
    square = jnp.ones((PRODUCT, PRODUCT))
    product = "matrix product"
    functions[product] = lambda z0, z1: jax.block_until_ready(multiply(square, square))
    random = np.random.default_rng(0)
    times = {name: [] for name in functions}
    for repeat in range(_REPEATS.value + 1):
        z0, z1 = random.standard_normal((2, rows // 2, width), np.float32)
        for name, function in functions.items():
            start = time.perf_counter()
            function(z0, z1)
            if repeat:  # the first call warms up
                times[name].append(time.perf_counter() - start)
    rate = 2 * PRODUCT**3 / statistics.median(times.pop(product))
    for name, taken in times.items():
        median = statistics.median(taken)
        memory = f"{memories[name]:,.0f}" if name in memories else ""
        print(
            f"| {rows:,} | {width} | {name} | {1e3 * median:,.1f} | {1e3 * min(taken):,.1f} | "
            f"{1e3 * max(taken):,.1f} | {memory} | {6 * rows**2 * width / median / rate:.0%} |",
            flush=True,
        )


def main(argv: list[str]) -> None:
    del argv
    runtime.configure("float32")
    device = jax.devices()[0].device_kind
    print(f"{jax.device_count()} x {device}, {_REPEATS.value} repeats, float32\n")
    print("| M | d | loss | median, ms | fastest | slowest | memory, MiB | share of matmul rate |")
    print("|--:|--:|---|--:|--:|--:|--:|--:|")
    for width in map(int, _WIDTHS.value):
        for rows in map(int, _ROWS.value):
            measure(rows, width)


if __name__ == "__main__":
    app.run(main)
