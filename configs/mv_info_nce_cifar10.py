"""MV-InfoNCE on CIFAR-10 with a ResNet-18 and four views of an image.

Method: Koromilas et al. 2025, "A Principled Framework for Multi-View Contrastive Learning".
                  authors' code              ours
    views         2 to 8, of SimCLR          4 (views.count), the same
    sum below     the same view too          other views alone, as their README has it
    optimizer     SGD 1.0 at batch 256       the same
    decayed       weights and biases         weights
    length        39,062 updates             200 epochs, 195 updates each
    warm-up       a hundredth of the run     the same
    head          not compared               that of `simclr_cifar10`
Command:
    python -m jcl.train --config=configs/mv_info_nce_cifar10.py --workdir=runs/mv_info_nce_cifar10
Expected time: twice as long an epoch as with two views. Not measured here.
Expected score: the authors' README gives linear top-1 of MV-DHEL alone (see `mv_dhel_cifar10`); the
    best of what they compare with has 86.0 with two views and 88.7 with four. Not measured here.
"""

from configs import simclr_cifar10


def get_config(arguments: str = ""):
    config = simclr_cifar10.get_config(arguments, batch=256)
    config.views = dict(name="simclr_cifar", count=4)
    config.method = dict(name="mv_info_nce", temperature=0.5)
    config.optimizer = dict(
        name="sgd",
        learning_rate=1.0,
        scaling="linear",
        momentum=0.9,
        weight_decay=1e-6,
        warmup_epochs=2.0,
    )
    return config
