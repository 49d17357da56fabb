"""SimCLR on CIFAR-10 with a ResNet-18, at the length that lightly's benchmark reports.

Method: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations",
    App. B.9 (3x3 stem without pooling, no blur, colour jitter of strength 0.5, temperature 0.5).
Optimizer: lightly's CIFAR-10 benchmark (SGD, 0.06 at a batch of 128, linear in the batch, weight
    decay 5e-4, cosine). It also decays biases and norm scales, and crops milder; we do neither.
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
    config.data.name = "tfds:cifar10"
    config.data.image_size = 32
    config.views.name = "simclr_cifar"
    config.encoder.name = "resnet18"
    config.encoder.stem = "cifar"
    config.projector.hidden_dim = 512
    config.projector.output_dim = 128
    config.projector.output_norm = True
    config.method.name = "simclr"
    config.method.temperature = 0.5
    config.optimizer.name = "sgd"
    config.optimizer.learning_rate = 0.12
    config.optimizer.scaling = "linear"
    config.optimizer.momentum = 0.9
    config.optimizer.weight_decay = 5e-4
    config.probe.knn_k = 200
    config.probe.knn_temperature = 0.1
    return config
