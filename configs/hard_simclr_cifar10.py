"""SimCLR among hard negatives alone on CIFAR-10 with a ResNet-18.

Method: Wang & Liu 2021, "Understanding the Behaviour of Contrastive Loss".
                  paper                                  ours
    threshold     a quantile of each anchor's negatives  one cosine, 0.1
    all else      not compared                           that of `simclr_cifar10`
    With the temperature of 0.5, at which NT-Xent hardly tells hard negatives from easy ones.
Command:
    python -m jcl.train --config=configs/hard_simclr_cifar10.py --workdir=runs/hard_simclr_cifar10
Expected time: as `simclr_cifar10`. Not measured here.
Expected score: none is known of one cosine for all anchors. Not measured here.
"""

from configs import simclr_cifar10


def get_config(arguments: str = ""):
    config = simclr_cifar10.get_config(arguments, batch=256)
    config.method = dict(name="hard_simclr", temperature=0.5, threshold=0.1)
    return config
