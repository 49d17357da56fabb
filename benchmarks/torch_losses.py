"""The losses of `benchmarks.losses` in PyTorch libraries, on the CPU: the extra `benchmark`.

Bytes for a pair of rows are peaks of resident memory, measured with PyTorch 2.13.
"""

import importlib.util
import os
import pathlib
from collections.abc import Callable

import jax
import numpy as np

from benchmarks.implementation import Implementation, Inputs
from benchmarks.jax_losses import BIAS, TEMPERATURE
from benchmarks.torchvision_import import torchvision


def implementations(rows: int) -> tuple[list[Implementation], list[str]]:
    """Those that can be imported, and a sentence about each library that cannot."""
    if jax.default_backend() != "cpu":
        return [], ["PyTorch's losses are compared on a CPU only."]
    found, missing = [], []
    for library in (_lightly, _pytorch_metric_learning, _open_clip):
        try:
            found += library(rows**2)
        except (ImportError, RuntimeError) as error:
            missing.append(f"{library.__name__[1:]} is missing: {error}.")
    return found, missing


def _lightly(pairs: int) -> list[Implementation]:
    torchvision()  # which lightly imports
    from lightly.loss import DCLLoss, NTXentLoss

    nt_xent, dcl = NTXentLoss(temperature=TEMPERATURE), DCLLoss(temperature=TEMPERATURE)
    return [
        _implementation("nt_xent", "lightly NTXentLoss", 19 * pairs, _of_views(nt_xent)),
        _implementation("dcl", "lightly DCLLoss", 21 * pairs, _of_views(dcl)),
    ]


def _pytorch_metric_learning(pairs: int) -> list[Implementation]:
    import torch
    from pytorch_metric_learning.losses import NTXentLoss, SelfSupervisedLoss, SupConLoss

    nt_xent = SelfSupervisedLoss(NTXentLoss(temperature=TEMPERATURE))
    supcon = SupConLoss(temperature=TEMPERATURE)
    # NTXentLoss keeps a number for every positive and every negative pair, of which there are M and
    # about M^2. With one positive an anchor, SupConLoss is the same function.
    cubic = round(17 * pairs**1.5)
    return [
        _implementation("nt_xent", "pytorch-metric-learning NTXentLoss", cubic, _of_views(nt_xent)),
        _implementation(
            "nt_xent",
            "pytorch-metric-learning SupConLoss",
            48 * pairs,
            _of_views(SelfSupervisedLoss(supcon)),
        ),
        _implementation(
            "supcon",
            "pytorch-metric-learning SupConLoss",
            48 * pairs,
            lambda z0, z1, labels: supcon(torch.cat([z0, z1]), torch.cat([labels, labels])),
        ),
    ]


def _open_clip(pairs: int) -> list[Implementation]:
    """Those of one file of the library, which needs nothing but PyTorch; the rest needs timm."""
    package = importlib.util.find_spec("open_clip")
    if package is None:
        raise ImportError("No module named 'open_clip'")
    path = pathlib.Path(package.origin).with_name("loss.py")
    spec = importlib.util.spec_from_file_location("open_clip_loss", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    from torch.nn.functional import normalize

    clip, sigmoid = module.ClipLoss(), module.SigLipLoss()
    between_towers = pairs // 4
    scale = 1 / TEMPERATURE
    return [
        _implementation(
            "info_nce",
            "open_clip ClipLoss",
            17 * between_towers,
            lambda queries, keys: clip(normalize(queries), normalize(keys), scale),
        ),
        _implementation(
            "siglip",
            "open_clip SigLipLoss",
            21 * between_towers,
            lambda images, texts: sigmoid(normalize(images), normalize(texts), scale, BIAS),
        ),
    ]


def _of_views(function: Callable) -> Callable:
    return lambda z0, z1: function(z0, z1)


def _implementation(loss: str, name: str, peak_bytes: int, function: Callable) -> Implementation:
    """A function of tensors that have the names of the loss's `Inputs`."""
    import torch

    # As many as XLA uses. PyTorch counts physical cores.
    torch.set_num_threads(len(os.sched_getaffinity(0)))

    def value_and_gradient(x: Inputs):
        embeddings = {
            key: torch.tensor(np.asarray(z), requires_grad=True) for key, z in x.embeddings.items()
        }
        beside = {key: torch.tensor(np.asarray(y)) for key, y in x.beside.items()}
        value = function(**embeddings, **beside)
        value.backward()
        return value.detach().numpy(), {key: z.grad.numpy() for key, z in embeddings.items()}

    return Implementation(loss, name, peak_bytes, None, value_and_gradient)
