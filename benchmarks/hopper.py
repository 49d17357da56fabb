"""The fused losses on one GPU, beside the matrix product of the same run: their share of its rate.

    python -m benchmarks.hopper [--seconds=240]

Takes a Hopper GPU and JAX with CUDA. For every loss and size, value and gradient are timed beside a
8192 x 8192 x 8192 product of bfloat16, in turns, and the gradient's error is taken from float64 at
2,048 rows. The share counts 6 M^2 d operations for M rows of two views and 12 B^2 d for B pairs of
towers, which is what the kernels do. Programs compile side by side, as many as there are cores, and
rows are printed as they come. What does not fit into the seconds is left out and named.

Goals, of an H200: 0.75 at 32,768 x 128 and 0.70 at 65,536 x 512 in bfloat16, gradient errors of at
most 1e-4. Nothing here has been measured yet.
"""

import argparse
import functools
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from jcl.losses import dcl, info_nce, nt_xent
from jcl.losses.engine.embeddings import interleave_views
from jcl.losses.engine.paired_batch import unit_pairs, unrounded_anchors, unrounded_pairs
from jcl.losses.engine.symmetric import log_negatives_and_positive
from jcl.losses.engine.two_sided import log_sums_and_positive
from tests.losses.contrastive_formulas import two_tower_loss, two_view_loss

TEMPERATURE = 0.1
CALLS = 10  # in a row, before the host waits
# (loss, rows of the matrix of similarities, dimensions, dtype)
CASES = [
    (nt_xent, 32768, 128, jnp.bfloat16),
    (nt_xent, 65536, 512, jnp.bfloat16),
    (nt_xent, 32768, 128, jnp.float32),
    (info_nce, 32768, 128, jnp.bfloat16),
    (dcl, 8192, 128, jnp.bfloat16),
    (nt_xent, 32768, 1024, jnp.bfloat16),
    (nt_xent, 65536, 512, jnp.float32),
]
ROWS_OF_ERROR = 2048


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=240)
    seconds = parser.parse_args().seconds
    start = time.monotonic()
    device = jax.devices()[0]
    print(f"{device.device_kind}, JAX {jax.__version__}, temperature {TEMPERATURE}\n")
    print("| loss | rows | d | dtype | kernels | ms | product, TFLOP/s | share | gradient error |")
    print("|---|--:|--:|---|--:|--:|--:|--:|--:|", flush=True)
    compilers = ThreadPoolExecutor(os.cpu_count())
    programs = [compilers.submit(compiled, *case) for case in CASES]
    gradients = [compilers.submit(gradient_of_units, loss, d, dtype) for loss, _, d, dtype in CASES]
    for (loss, rows, d, dtype), *futures in zip(CASES, programs, gradients, strict=True):
        case = f"{loss.__name__} | {rows} | {d} | {jnp.dtype(dtype).name}"
        try:
            left = max(0, seconds - (time.monotonic() - start))
            run, of_units = (future.result(timeout=left) for future in futures)
        except TimeoutError:
            print(f"| {case} | left out | | | | |", flush=True)
            continue
        cells = measure(run, of_units, loss, rows, d, dtype)
        print(f"| {case} | {' | '.join(cells)} |", flush=True)
    compilers.shutdown(wait=False, cancel_futures=True)


def measure(run, of_units, loss, rows, d, dtype):
    """The cells of a row: kernels in the program, times, share, error."""
    product = jax.jit(lambda a, b: a @ b)
    factors = jax.random.normal(jax.random.key(0), (2, 8192, 8192), jnp.bfloat16)
    arguments = pair(loss, rows, d, dtype)
    times, times_of_product = [], []
    for _ in range(8):
        times.append(seconds_of(run, arguments))
        times_of_product.append(seconds_of(product, factors))
    # The first of each warms up.
    took, best = statistics.median(times[1:]), statistics.median(times_of_product[1:])
    rate_of_product = 2 * 8192**3 / best
    operations = (12 if loss is info_nce else 6) * rows**2 * d
    return (
        str(run.as_text().count('custom_call_target="mosaic_gpu')),
        f"{took * 1e3:.3f}",
        f"{rate_of_product / 1e12:.0f}",
        f"{operations / took / rate_of_product:.3f}",
        f"{error(of_units, loss, d, dtype):.1e}",
    )


def seconds_of(function, arguments):
    start = time.perf_counter()
    for _ in range(CALLS):
        result = function(*arguments)
    jax.block_until_ready(result)
    return (time.perf_counter() - start) / CALLS


def pair(loss, rows, d, dtype):
    """Two views, or pairs of two towers, one near the other."""
    batch = rows if loss is info_nce else rows // 2
    keys = jax.random.split(jax.random.key(rows + d))
    z0 = jax.random.normal(keys[0], (batch, d))
    return z0.astype(dtype), (z0 + jax.random.normal(keys[1], (batch, d))).astype(dtype)


def compiled(loss, rows, d, dtype):
    def value(z0, z1):
        return loss(z0, z1, temperature=TEMPERATURE)

    gradient = jax.jit(jax.value_and_grad(value, argnums=(0, 1)))
    return gradient.lower(*pair(loss, rows, d, dtype)).compile()


def gradient_of_units(loss, d, dtype):
    """The compiled gradient with respect to unit rows, of the views that `error` takes."""
    views = pair(loss, ROWS_OF_ERROR, d, dtype)
    of_units = jax.jit(jax.grad(functools.partial(LOSSES_OF_UNITS[loss], views)))
    return of_units.lower(jnp.stack(unit_pairs(*views, TEMPERATURE)[:2])).compile()


def error(of_units, loss, d, dtype):
    """Of that gradient, in float32, as one vector, relative to float64."""
    views = pair(loss, ROWS_OF_ERROR, d, dtype)
    units = jnp.stack(unit_pairs(*views, TEMPERATURE)[:2])
    # What lies along a row is lost where rows are divided by their norms.
    actual = np.asarray(of_units(units), np.float64)
    exact = np.stack([np.asarray(z.astype(jnp.float32), np.float64) for z in views])
    norms = np.linalg.norm(exact, axis=-1, keepdims=True)
    along = exact / norms
    actual -= along * np.sum(actual * along, axis=-1, keepdims=True)
    expected = norms * np.stack(FORMULAS[loss](*exact, TEMPERATURE)[1][:2])
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


def of_two_views(views, units, *, decoupled):
    log_negatives, positive = log_negatives_and_positive(
        interleave_views(*units),
        jnp.float32(TEMPERATURE),
        exact=unrounded_anchors(*views),
        mesh=None,
        block_size=None,
    )
    ratio = log_negatives - positive
    return jnp.mean(ratio if decoupled else jax.nn.softplus(ratio))


def of_two_towers(views, units):
    *log_sums, positive = log_sums_and_positive(
        *units,
        jnp.float32(TEMPERATURE),
        exact=unrounded_pairs(*views),
        mesh=None,
        block_size=None,
    )
    return sum(jnp.mean(jax.nn.softplus(x - positive)) for x in log_sums) / 2


LOSSES_OF_UNITS = {
    nt_xent: functools.partial(of_two_views, decoupled=False),
    dcl: functools.partial(of_two_views, decoupled=True),
    info_nce: of_two_towers,
}
FORMULAS = {
    nt_xent: functools.partial(two_view_loss, decoupled=False),
    dcl: functools.partial(two_view_loss, decoupled=True),
    info_nce: two_tower_loss,
}


if __name__ == "__main__":
    main()
