"""Train steps as a PyTorch user has them, on one GPU: `python -m benchmarks.torch_steps`.

To stand beside `python -m benchmarks.step --cases=resnet50,vit_b`: 256 examples of two views of 224
pixels, torchvision's ResNet-50 (channels_last) or ViT-B/16 and a projector with BatchNorm, bfloat16
by autocast over float32 parameters, NT-Xent with all logits in one matrix, eager. It takes PyTorch
and torchvision.

It spares PyTorch some of jcl's work: views are given, where jcl's step makes them, and ResNet-50
takes SGD with momentum, where jcl's takes LARS. `--small`, the default without a GPU, tries the
script with networks and images that say nothing of the machine.
"""

import argparse
import itertools
import statistics
import time

import torch
from torch import nn

from benchmarks.torch_gpu_losses import nt_xent, seconds_of
from benchmarks.torchvision_import import torchvision

BATCH, SIZE, REPEATS = 256, 224, 9
SMALL_BATCH, SMALL_SIZE, SMALL_REPEATS = 4, 32, 2


def projector(widths):
    """Dense layers, each with BatchNorm, and ReLU between them."""
    layers = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def resnet50(*, small):
    models = torchvision().models
    encoder = models.resnet18() if small else models.resnet50(zero_init_residual=True)
    width = encoder.fc.in_features
    encoder.fc = nn.Identity()
    model = nn.Sequential(encoder, projector([width, 2048, 128]))
    model = model.to(memory_format=torch.channels_last)
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def vit_b(*, small):
    image, layers, heads, width = (SMALL_SIZE, 1, 2, 64) if small else (SIZE, 12, 12, 768)
    encoder = torchvision().models.VisionTransformer(image, 16, layers, heads, width, 4 * width)
    encoder.heads = nn.Identity()
    encoder.conv_proj.requires_grad_(False)
    model = nn.Sequential(encoder, projector([width, 4096, 4096, 256]))
    trained = [x for x in model.parameters() if x.requires_grad]
    return model, torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.1)


CASES = {"resnet50": resnet50, "vit_b": vit_b}


def measure(case, *, small):
    """A row of the table."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    batch, size, repeats = (
        (SMALL_BATCH, SMALL_SIZE, SMALL_REPEATS) if small else (BATCH, SIZE, REPEATS)
    )
    began = time.perf_counter()
    with torch.device(device):
        model, optimizer = CASES[case](small=small)
        views = torch.randn(2 * batch, 3, size, size).to(memory_format=torch.channels_last)

    def step():
        optimizer.zero_grad()
        with torch.autocast(device, dtype=torch.bfloat16):
            z = model(views)
        nt_xent(*z.float().chunk(2)).backward()
        optimizer.step()

    seconds_of(step)
    first = time.perf_counter() - began
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    times = [seconds_of(step) for _ in range(repeats)]
    held = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else None
    median = statistics.median(times)
    return (
        f"| {case} | {batch} | {1e3 * median:,.1f} | {1e3 * min(times):,.1f} | "
        f"{1e3 * max(times):,.1f} | {2 * batch / median:,.0f} | "
        f"{'' if held is None else f'{held:.2f}'} | {first:.1f} |"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--small", action="store_true", default=not torch.cuda.is_available())
    arguments = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "a CPU, a trial"
    print(f"{name}, PyTorch {torch.__version__}, torchvision {torchvision().__version__}, eager\n")
    print(
        "| case | batch | step, ms | fastest | slowest | views/s | memory, GiB | first step, s |\n"
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        flush=True,
    )
    for case in arguments.cases.split(","):
        print(measure(case, small=arguments.small), flush=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
