"""Hydra on CIFAR-10 with a ResNet-18.

Method: Wu et al. 2024, "Rethinking Positive Pairs in Contrastive Learning" (a later version calls
    the method SimLAP).
                     authors' code                         ours
    projector        2 layers to 256, LayerNorm            the same
    gate             BatchNorm, of 1024                    LayerNorm, of 1024
    classifier       trained beside, of detached features  none: probes classify
    views            one                                   two, those of `simclr_cifar10`
    anchor itself    compared where its own class is drawn never compared
    length           50 epochs                             the same
    optimizer        not looked up                         that of `simclr_cifar10`
Command: python -m jcl.train --config=configs/hydra_cifar10.py --workdir=runs/hydra_cifar10
Expected time: a quarter of `simclr_cifar10`. Not measured here.
Expected score: 90.86 by the classifier beside, as a comment of the authors' code has it. Not
    measured here.
"""

from configs import simclr_cifar10


def get_config(arguments: str = ""):
    config = simclr_cifar10.get_config(arguments, batch=256, epochs=50.0)
    config.projector = dict(name="mlp", hidden_dim=2048, output_dim=256, norm="layer")
    config.method = dict(name="hydra", temperature=0.1)
    return config
