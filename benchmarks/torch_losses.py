"""The losses of `benchmarks.losses` in PyTorch libraries, on the CPU: the extra `benchmark`.

Bytes for a pair of rows are peaks of resident memory, measured with PyTorch 2.13.
"""

import functools
import os
from collections.abc import Callable

import jax
import numpy as np

from benchmarks.implementation import Implementation, Inputs
from benchmarks.jax_losses import TEMPERATURE


def implementations(rows: int) -> tuple[list[Implementation], list[str]]:
    """Those that can be imported, and a sentence about each library that cannot."""
    if jax.default_backend() != "cpu":
        return [], ["PyTorch's losses are compared on a CPU only."]
    found, missing = [], []
    for library in (_lightly, _pytorch_metric_learning):
        try:
            found += library(rows**2)
        except (ImportError, RuntimeError) as error:
            missing.append(f"{library.__name__[1:]} is missing: {error}.")
    return found, missing


def _lightly(pairs: int) -> list[Implementation]:
    try:
        from lightly.loss import DCLLoss, NTXentLoss
    except RuntimeError:
        _declare_operators_of_torchvision()
        from lightly.loss import DCLLoss, NTXentLoss

    nt_xent, dcl = NTXentLoss(temperature=TEMPERATURE), DCLLoss(temperature=TEMPERATURE)
    return [
        _of_views("nt_xent", "lightly NTXentLoss", 19 * pairs, nt_xent),
        _of_views("dcl", "lightly DCLLoss", 21 * pairs, dcl),
    ]


@functools.cache  # which keeps the declarations alive
def _declare_operators_of_torchvision():
    """Lets torchvision, which lightly imports, be imported beside another build of PyTorch.

    Its own operators are missing there, and importing it fails where it describes them. No loss
    uses any.
    """
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def _pytorch_metric_learning(pairs: int) -> list[Implementation]:
    from pytorch_metric_learning.losses import NTXentLoss, SelfSupervisedLoss, SupConLoss

    nt_xent = SelfSupervisedLoss(NTXentLoss(temperature=TEMPERATURE))
    supcon = SupConLoss(temperature=TEMPERATURE)
    # NTXentLoss keeps a number for every positive and every negative pair, of which there are M and
    # about M^2. With one positive an anchor, SupConLoss is the same function.
    cubic = round(17 * pairs**1.5)
    return [
        _of_views("nt_xent", "pytorch-metric-learning NTXentLoss", cubic, nt_xent),
        _of_views(
            "nt_xent",
            "pytorch-metric-learning SupConLoss",
            48 * pairs,
            SelfSupervisedLoss(supcon),
        ),
        _implementation(
            "supcon",
            "pytorch-metric-learning SupConLoss",
            48 * pairs,
            lambda z0, z1, labels: supcon(_concatenate(z0, z1), _concatenate(labels, labels)),
        ),
    ]


def _of_views(loss: str, name: str, peak_bytes: int, function: Callable) -> Implementation:
    return _implementation(loss, name, peak_bytes, lambda z0, z1, labels: function(z0, z1))


def _implementation(loss: str, name: str, peak_bytes: int, function: Callable) -> Implementation:
    import torch

    # As many as XLA uses. PyTorch counts physical cores.
    torch.set_num_threads(len(os.sched_getaffinity(0)))

    def value_and_gradient(x: Inputs):
        views = [torch.tensor(np.asarray(z), requires_grad=True) for z in (x.z0, x.z1)]
        value = function(*views, torch.tensor(np.asarray(x.labels)))
        value.backward()
        return value.detach().numpy(), tuple(z.grad.numpy() for z in views)

    return Implementation(loss, name, peak_bytes, None, value_and_gradient)


def _concatenate(first, second):
    import torch

    return torch.cat([first, second])
