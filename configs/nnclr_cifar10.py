"""NNCLR on CIFAR-10 with a ResNet-18, at the length that solo-learn's benchmark reports.

Method: Dwibedi et al. 2021, "With a Little Help from My Friends: Nearest-Neighbor Contrastive
    Learning of Visual Representations", which trains a ResNet-50 on ImageNet.
                   paper (ImageNet)   solo-learn                   ours
    encoder        ResNet-50          ResNet-18                    ResNet-18
    optimizer      LARS               LARS 0.4 at batch 256,       LARS, the same rate, linear in
                                      trust 0.02, clipped          B, trust 0.02, not clipped
    batch          4096               256                          256
    temperature    0.1                0.2                          0.2
    queue          98304              65536                        65536
    epochs         1,000              1,000                        1,000
    views          BYOL's             asymmetric blur, solarising  both alike (simclr_cifar)
Command: python -m jcl.train --config=configs/nnclr_cifar10.py --workdir=runs/nnclr_cifar10
    With the positive out of the denominator: --config.method.name=nnclr_dcl.
Expected time: not known to us. Not measured here.
Expected score: linear top-1 91.9 (solo-learn's table, 1,000 epochs). Not measured here.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 256, epochs: float = 1000.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="tfds:cifar10", image_size=32)
    config.views = dict(name="simclr_cifar")
    config.encoder = dict(name="resnet18", stem="cifar")
    config.projector = dict(name="mlp", layers=3, hidden_dim=2048, output_dim=256, output_norm=True)
    config.predictor = dict(name="mlp", hidden_dim=4096)
    config.method = dict(name="nnclr", temperature=0.2, queue_size=65536)
    config.optimizer = dict(
        name="lars",
        learning_rate=0.4,
        scaling="linear",
        momentum=0.9,
        weight_decay=1e-5,
        trust_coefficient=0.02,
        warmup_epochs=10.0,
    )
    return config
