"""DCL on ImageNet with a ResNet-50: `simclr_imagenet` with the positive out of the denominator.

Method: Yeh et al. 2022, "Decoupled Contrastive Learning"; it is at its best with small batches.
                  paper               authors' code              ours
    epochs        200, 100            not released               100
    temperature   0.1, some runs 0.2  0.1 (CIFAR)                0.1
    loss          sum over views      sum over views             mean over views
    DCLW weights  not said            with gradient, of a batch  no gradient, of the global batch
Command: python -m jcl.train --config=configs/dcl_imagenet.py:batch=256 --workdir=runs/dcl_imagenet
Expected time: not known to us at this batch size. Not measured here.
Expected score: linear top-1 65.1, kNN 49.6 after 100 epochs at batch 256 (lightly's reproduction;
    SimCLR there: 63.2 and 44.8). DCLW (--config.method.weight_sigma=0.5): 64.5 and 48.5. Not
    measured here.
"""

from configs import simclr_imagenet


def get_config(arguments: str = ""):
    config = simclr_imagenet.get_config(arguments, batch=256)
    config.method = dict(name="dcl", temperature=0.1)
    return config
