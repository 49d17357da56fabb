"""Core-tuning on CIFAR-10, of a ResNet-50 that MoCo v2 pretrained on ImageNet.

Method: Zhang et al. 2021, "Unleashing the Power of Contrastive Self-Supervised Visual Models via
    Contrast-Regularized Fine-Tuning"; settings of the authors' code and of its README's command.
                     authors' code                    ours
    images           272 pixels, turned by up to 15   crops of 88 to 100% at 256 pixels, not turned
                     degrees, 256 cut out, mirrored   and mirrored
    batch            256 in four parts of 64, each    256 at once, one view an example
                     contrasted alone
    epochs           100                              the same
    optimizer        SGD 0.01, Nesterov, 1e-4         without Nesterov
                     weight decay, cosine
    contrast         mean over all rows, times 0.1    mean over positives, times 0.1
    classifier       without a bias                   with a bias
Data: TFDS's cifar10, and a workdir of configs/moco_v2_imagenet.py.
Command: python -m jcl.train
        --config=configs/core_tuning_cifar10.py:pretrained=runs/moco_v2_imagenet
        --workdir=runs/core_tuning_cifar10
Expected time: not reported there, not measured here.
Expected score: top-1 97.3 (the authors' table; cross-entropy alone 94.7). Not measured here.
"""

from jcl import config as config_lib


def get_config(
    arguments: str = "",
    *,
    pretrained: str = "runs/moco_v2_imagenet",
    batch: int = 256,
    epochs: float = 100.0,
):
    given = config_lib.arguments(arguments, pretrained=pretrained, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.init_from = (("encoder", given["pretrained"]),)
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="tfds:cifar10", image_size=256)
    config.views = dict(
        name="crop_flip_light", count=1, min_area=0.88, brightness=0.0, contrast=0.0
    )
    config.encoder = dict(name="resnet50")
    config.method = dict(name="core_tuning")
    config.optimizer = dict(name="sgd", learning_rate=0.01, momentum=0.9, weight_decay=1e-4)
    return config
