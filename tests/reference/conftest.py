"""Lets torchvision be imported beside a build of PyTorch for which it has no operators.

Importing it fails where it describes them, and transformers imports it where it is installed. No
test uses any of them.
"""

try:
    import torch
except ModuleNotFoundError:
    DECLARED = None
else:
    DECLARED = torch.library.Library("torchvision", "FRAGMENT")  # for as long as the tests run
    for name in ("nms", "qnms"):
        DECLARED.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
