"""SBCL on a long-tailed CIFAR-100 with a ResNet-18.

Method: Hou et al. 2023, "Subclass-balancing Contrastive Learning for Long-tailed Recognition".
                  released code                          ours
    weights       temperature / 0.07 and 0.25            1 and 0.175
    rate          0.5                                    0.5 times 0.1 / 0.07
    weight decay  1e-4                                   1e-4 times 0.07 / 0.1
    encoder       a ResNet for small images              ResNet-18
    classifier    LDAM-DRW on frozen features            the probes of `jcl.evaluate`
Data: python -m jcl.data.prepare --source=tfds:cifar100 --class_ratio=100 --name=cifar100_tail
    --data_dir=DIR, where DIR holds TFDS's cifar100.
Command: python -m jcl.train --config=configs/sbcl_cifar100.py --workdir=runs/sbcl_cifar100
    --config.data.dir=DIR
Expected time: not reported there, not measured here.
Expected score: not recovered from the paper, not measured here.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 1024, epochs: float = 1000.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="tfds:cifar100_tail", image_size=32)
    config.views = dict(name="simclr_cifar")
    config.encoder = dict(name="resnet18", stem="cifar")
    config.projector = dict(name="mlp", hidden_dim=512, output_dim=128, norm="none")
    config.method = dict(name="sbcl", temperature=0.1)
    config.optimizer = dict(
        name="sgd",
        learning_rate=0.5 * 0.1 / 0.07,
        momentum=0.9,
        weight_decay=1e-4 * 0.07 / 0.1,
        warmup_epochs=10.0,
    )
    return config
