"""iSogCLR on CIFAR-100 with a ResNet-18.

Method: Qiu et al. 2023, "Not All Semantics are Created Equal: Contrastive Self-supervised Learning
    with Automatic Temperature Individualization".
                   authors' code                        ours
    temperatures   from 0.1, within 0.05 and 1          the same
    rho, gamma     0.4, 0.8                             the same
    eta, beta      0.03, 0.5                            the same
    rate           0.8 at batch 128, 400 epochs         0.8, the same length
    optimizer      not looked up                        that of `simclr_cifar10`: SGD, 5e-4 of decay
    views, head    not looked up                        those of `simclr_cifar10`
    first visits   all of the first epoch               of each example
Command: python -m jcl.train --config=configs/isogclr_cifar100.py --workdir=runs/isogclr_cifar100
Expected time: as `simclr_cifar10` with twice the epochs. Not measured here.
Expected score: none was found. Not measured here.
"""

from configs import simclr_cifar10


def get_config(arguments: str = ""):
    config = simclr_cifar10.get_config(arguments, batch=128, epochs=400.0)
    config.data.name = "tfds:cifar100"
    config.method = dict(name="isogclr")
    config.optimizer.update(learning_rate=0.8, scaling="none")
    return config
