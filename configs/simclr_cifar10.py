"""SimCLR on CIFAR-10 with a ResNet-18, at the length that lightly's benchmark reports.

Method: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations",
    App. B.9 (3x3 stem without pooling, no blur, colour jitter of strength 0.5, temperature 0.5).
                  paper (App. B.9)          lightly's benchmark        ours
    encoder       ResNet-50                 ResNet-18                  ResNet-18
    optimizer     LARS                      SGD 0.06 at batch 128      SGD, the same, linear in B
    decayed       weights                   biases and norms too       weights
    weight decay  1e-6                      5e-4                       5e-4
    crops         at least 0.08             milder                     at least 0.08
    epochs        1,000                     200                        200
Command: python -m jcl.train --config=configs/simclr_cifar10.py:batch=512 --workdir=runs/cifar10
Expected time: 2 h 38 min there (one A6000, evaluation included). Not measured here.
Expected score: kNN top-1 84.8 at batch 512, 84.7 at 128 (lightly's table, 200 epochs, the best
    epoch, k = 200, temperature 0.1). Not measured here.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 512, epochs: float = 200.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="tfds:cifar10", image_size=32)
    config.views = dict(name="simclr_cifar")
    config.encoder = dict(name="resnet18", stem="cifar")
    config.projector = dict(name="mlp", hidden_dim=512, output_dim=128, output_norm=True)
    config.method = dict(name="simclr", temperature=0.5)
    config.optimizer = dict(
        name="sgd", learning_rate=0.12, scaling="linear", momentum=0.9, weight_decay=5e-4
    )
    config.probe = dict(knn_k=200, knn_temperature=0.1)
    return config
