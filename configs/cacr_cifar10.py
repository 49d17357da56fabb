"""CACR on CIFAR-10 with a ResNet-18, four positives per query.

Method: Zheng et al. 2023, "Contrastive Attraction and Contrastive Repulsion for Representation
    Learning".
                  authors' code for small images   ours
    encoder       an AlexNet for small images      ResNet-18, as the other configs of CIFAR-10
    views         5, each a query in turn          the same (views.count)
    negatives     of one later view at a time      of all views at once
    weights       with gradient                    without, as in their code for ImageNet
    optimizer     SGD 0.12 at batch 256, linear    the same
    schedule      tenths at 155, 170, 185          a cosine
    crops, jitter at least 0.2; 0.4, always        at least 0.2; 0.4 and 0.1 of hue, mostly
Command: python -m jcl.train --config=configs/cacr_cifar10.py --workdir=runs/cacr_cifar10
Expected time: two and a half times as long an epoch as with two views. Not measured here.
Expected score: none is known with this encoder. Not measured here.
"""

from configs import simclr_cifar10


def get_config(arguments: str = ""):
    config = simclr_cifar10.get_config(arguments, batch=128)
    config.views = dict(name="simclr_cifar", count=5, min_area=0.2)
    config.method = dict(name="cacr", t_positive=1.0, t_negative=0.9, alpha=1.0, beta=1.0)
    config.optimizer = dict(
        name="sgd", learning_rate=0.12, scaling="linear", momentum=0.9, weight_decay=1e-4
    )
    return config
