"""SupCon on CIFAR-10 with a ResNet-50, as its authors trained it.

Method: Khosla et al. 2020, "Supervised Contrastive Learning"; settings of the authors' code
    (SupContrast: batch 1,024, SGD 0.5, weight decay 1e-4, 1,000 epochs, cosine, temperature 0.1, a
    head without normalisation). Their loss has a factor tau / 0.07: rate and decay make up for it.
Command: python -m jcl.train --config=configs/supcon_cifar10.py --workdir=runs/supcon_cifar10
Expected time: not reported there, not measured here.
Expected score: linear top-1 96.0 (SupContrast's table; trained from end to end 95.0, SimCLR 93.6).
    Not measured here.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 1024, epochs: float = 1000.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data.name = "tfds:cifar10"
    config.data.image_size = 32
    config.views.name = "simclr_cifar"
    config.encoder.name = "resnet50"
    config.encoder.stem = "cifar"
    config.projector.hidden_dim = 2048
    config.projector.output_dim = 128
    config.projector.norm = "none"
    config.method.name = "supcon"
    config.method.temperature = 0.1
    config.optimizer.name = "sgd"
    config.optimizer.learning_rate = 0.5 * 0.1 / 0.07
    config.optimizer.momentum = 0.9
    config.optimizer.weight_decay = 1e-4 * 0.07 / 0.1
    config.optimizer.warmup_epochs = 10.0
    return config
