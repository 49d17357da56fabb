"""MV-DHEL on CIFAR-10 with a ResNet-18 and four views of an image.

Method: Koromilas et al. 2025, "A Principled Framework for Multi-View Contrastive Learning"; what
    differs from the authors' code is in `mv_info_nce_cifar10`.
Command: python -m jcl.train --config=configs/mv_dhel_cifar10.py --workdir=runs/mv_dhel_cifar10
Expected time: twice as long an epoch as with two views. Not measured here.
Expected score: linear top-1 89.5 with four views, 87.4 with two (--config.views.count=2), after 200
    epochs (the authors' README). Not measured here.
"""

from configs import mv_info_nce_cifar10


def get_config(arguments: str = ""):
    config = mv_info_nce_cifar10.get_config(arguments)
    config.method = dict(name="mv_dhel", temperature=0.5)
    return config
