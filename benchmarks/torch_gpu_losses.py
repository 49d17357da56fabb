"""Contrastive losses in PyTorch on one GPU, beside the matrix product of the same run.

    python -m benchmarks.torch_gpu_losses [--seconds=40] [--small]

Value and gradient of losses of `python -m benchmarks.hopper` at its sizes, with the same product as
the measure of the machine. It takes PyTorch; where lightly is installed, its losses have rows too.
`benchmarks/torch_losses.py` has PyTorch's losses on a CPU.

"Plain" is the formula with all logits in one matrix. Products of float32 are exact ("ieee") or take
TF32; for bfloat16 the unit rows are rounded. Memory is what is allocated besides the inputs.
Gradient errors are taken from float64 at 2,048 rows. `--small`, the default without a GPU, tries
the script with sizes that say nothing of the machine.
"""

import argparse
import statistics
import time

import numpy as np
import torch
from torch.nn import functional

from tests.losses.contrastive_formulas import two_tower_loss, two_view_loss

TEMPERATURE = 0.1
REPEATS = 7
# (loss, rows of the matrix of similarities, dimensions)
CASES = [
    ("nt_xent", 32768, 128),
    ("info_nce", 32768, 128),
    ("dcl", 8192, 128),
    ("nt_xent", 65536, 512),
]
SMALL_CASES = [("nt_xent", 256, 16), ("info_nce", 256, 16), ("dcl", 128, 16)]
ROWS_OF_ERROR = 2048


def _to_unit_rows(z, dtype):
    return functional.normalize(z, dim=1).to(dtype)


def _logits_of_views(z0, z1, dtype):
    """All logits, minus infinity of a row with itself, and the column of each row's positive."""
    z = _to_unit_rows(torch.cat([z0, z1]), dtype)
    logits = (z / TEMPERATURE) @ z.T
    logits.fill_diagonal_(float("-inf"))
    return logits, (torch.arange(len(z), device=z.device) + len(z0)) % len(z)


def nt_xent(z0, z1, dtype=torch.float32):
    return functional.cross_entropy(*_logits_of_views(z0, z1, dtype)).float()


def dcl(z0, z1, dtype=torch.float32):
    logits, positive = _logits_of_views(z0, z1, dtype)
    of_positive = logits.gather(1, positive[:, None])
    negatives = logits.scatter(1, positive[:, None], float("-inf"))
    return (torch.logsumexp(negatives, 1) - of_positive[:, 0]).float().mean()


def info_nce(z0, z1, dtype=torch.float32):
    queries, keys = _to_unit_rows(z0, dtype), _to_unit_rows(z1, dtype)
    logits = (queries / TEMPERATURE) @ keys.T
    own = torch.arange(len(logits), device=logits.device)
    both = functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)
    return both.float() / 2


PLAIN = {"nt_xent": nt_xent, "dcl": dcl, "info_nce": info_nce}
FORMULAS = {
    "nt_xent": lambda *z: two_view_loss(*z, TEMPERATURE, decoupled=False),
    "dcl": lambda *z: two_view_loss(*z, TEMPERATURE, decoupled=True),
    "info_nce": lambda *z: two_tower_loss(*z, TEMPERATURE),
}


def implementations(loss):
    """(by, products, function) of every way to compute a loss."""
    plain = PLAIN[loss]
    found = [
        ("plain", "bfloat16", lambda *z: plain(*z, torch.bfloat16)),
        ("plain", "tf32", plain),
        ("plain", "ieee", plain),
    ]
    try:
        from lightly import loss as of_lightly
    except (ImportError, RuntimeError):
        return found
    name = {"nt_xent": "NTXentLoss", "dcl": "DCLLoss"}.get(loss)
    if name:
        function = getattr(of_lightly, name)(temperature=TEMPERATURE)
        found.append((f"lightly {name}", "ieee", function))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--small", action="store_true", default=not torch.cuda.is_available())
    arguments = parser.parse_args()
    start = time.monotonic()
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "a CPU, a trial"
    print(f"{name}, PyTorch {torch.__version__}, temperature {TEMPERATURE}\n")
    print(
        "| loss | rows | d | by | products | ms | product, TFLOP/s | share | memory, MiB | "
        "gradient error |\n|---|--:|--:|---|---|--:|--:|--:|--:|--:|",
        flush=True,
    )
    for loss, rows, d in SMALL_CASES if arguments.small else CASES:
        for by, products, function in implementations(loss):
            case = f"{loss} | {rows} | {d} | {by} | {products}"
            if time.monotonic() - start > arguments.seconds:
                print(f"| {case} | left out | | | | |", flush=True)
                continue
            try:
                cells = measure(loss, function, rows, d, products, small=arguments.small)
            except torch.OutOfMemoryError:
                cells = ["does not fit", "", "", "", ""]
            print(f"| {case} | {' | '.join(cells)} |", flush=True)


def measure(loss, function, rows, d, products, *, small):
    """The cells of a row: times, share, memory, error."""
    torch.set_float32_matmul_precision("high" if products == "tf32" else "highest")
    views = random_views(loss, rows, d)
    side = 256 if small else 8192
    factors = torch.randn(2, side, side, device=views[0].device).bfloat16()
    value_and_gradient(function, views)  # the first warms up
    before = allocated()
    value_and_gradient(function, views)
    memory = allocated(peak=True) - before
    times, times_of_product = [], []
    for _ in range(REPEATS):
        times.append(seconds_of(lambda: value_and_gradient(function, views)))
        times_of_product.append(seconds_of(lambda: factors[0] @ factors[1]))
    took, best = statistics.median(times), statistics.median(times_of_product)
    rate_of_product = 2 * side**3 / best
    operations = (12 if loss == "info_nce" else 6) * rows**2 * d
    return (
        f"{took * 1e3:.3f}",
        f"{rate_of_product / 1e12:.3g}",
        f"{operations / took / rate_of_product:.3f}",
        f"{memory / 2**20:,.0f}" if torch.cuda.is_available() else "",
        f"{error(loss, function, d, min(rows, ROWS_OF_ERROR)):.1e}",
    )


def random_views(loss, rows, d):
    """Two views, or pairs of two towers, one near the other."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator(device).manual_seed(rows + d)
    batch = rows if loss == "info_nce" else rows // 2
    z0, noise = torch.randn(2, batch, d, device=device, generator=generator)
    return [z.clone().requires_grad_() for z in (z0, z0 + noise)]


def value_and_gradient(function, views):
    value = function(*views)
    return value, torch.autograd.grad(value, views)


def allocated(*, peak=False):
    """Bytes on the GPU, now or at most since this was last asked; 0 on a CPU."""
    if not torch.cuda.is_available():
        return 0
    torch.cuda.synchronize()
    if peak:
        return torch.cuda.max_memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def seconds_of(call):
    finish = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    finish()
    start = time.perf_counter()
    call()
    finish()
    return time.perf_counter() - start


def error(loss, function, d, rows):
    """Of the gradient, as one vector, relative to float64."""
    views = random_views(loss, rows, d)
    _, gradients = value_and_gradient(function, views)
    exact = [z.detach().double().cpu().numpy() for z in views]
    expected = np.stack(FORMULAS[loss](*exact)[1][:2])
    actual = np.stack([g.double().cpu().numpy() for g in gradients])
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


if __name__ == "__main__":
    main()
