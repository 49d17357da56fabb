"""torchvision, also where it was built for another PyTorch than the one that is installed."""

import functools
import types


@functools.cache
def torchvision() -> types.ModuleType:
    """The imported library.

    Beside another build of PyTorch its own operators are missing, and importing it fails where it
    describes them. No network and no loss uses any, so they are declared here.
    """
    try:
        import torchvision
    except RuntimeError:
        import torch

        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision

        torchvision.declared = library  # which has to stay
    return torchvision
