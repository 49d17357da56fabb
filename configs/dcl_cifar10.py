"""DCL on CIFAR-10 with a ResNet-18: `simclr_cifar10` with the positive out of the denominator.

Method: Yeh et al. 2022, "Decoupled Contrastive Learning".
                  paper              authors' code              ours
    encoder       ResNet-18          ResNet-50                  ResNet-18
    temperature   0.07               0.1                        0.1
    optimizer     SGD                Adam 1e-3, decay 1e-6      SGD, as simclr_cifar10
    loss          sum over views     sum over views             mean over views
    DCLW weights  not said           with gradient, of a batch  no gradient, of the global batch
Command: python -m jcl.train --config=configs/dcl_cifar10.py:batch=128 --workdir=runs/dcl_cifar10
Expected time: 2 h 7 min (one A6000, evaluation included, lightly's benchmark). Not measured here.
Expected score: kNN top-1 84.4 at batch 128, 84.0 at 512 (lightly's table, 200 epochs, best epoch):
    no more than SimCLR reaches there with its temperature of 0.5. DCLW
    (--config.method.weight_sigma=0.5): 83.3 and 82.4. Not measured here.
"""

from configs import simclr_cifar10


def get_config(arguments: str = ""):
    config = simclr_cifar10.get_config(arguments, batch=128)
    config.method = dict(name="dcl", temperature=0.1)
    return config
