"""DCL on CIFAR-10 with a ResNet-18: `simclr_cifar10` with the positive out of the denominator.

Method: Yeh et al. 2022, "Decoupled Contrastive Learning".
Command: python -m jcl.train --config=configs/dcl_cifar10.py:batch=128 --workdir=runs/dcl_cifar10
Expected time: 2 h 7 min (one A6000, evaluation included, lightly's benchmark). Not measured here.
Expected score: kNN top-1 84.4 at batch 128, 84.0 at 512 (lightly's table, 200 epochs, best epoch):
    no more than SimCLR reaches there with its temperature of 0.5. DCLW
    (--config.method.weight_sigma=0.5): 83.3 and 82.4. Not measured here.
"""

from configs import simclr_cifar10


def get_config(arguments: str = ""):
    config = simclr_cifar10.get_config(arguments, batch=128)
    config.method.name = "dcl"
    config.method.temperature = 0.1
    return config
