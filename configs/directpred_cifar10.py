"""DirectPred on CIFAR-10 with a ResNet-18, for 100 epochs at batch 128.

Method: Tian et al. 2021, "Understanding Self-Supervised Learning Dynamics without Contrastive
    Pairs": a projector with a hidden layer of 512 and 128 dimensions, a predictor that is computed
    after every step (rho 0.3, epsilon 0.01), copies of a constant decay, SGD at a constant rate.
                  released code                      ours
    decayed       biases and norms too               weights
    hidden norms  neither scale nor bias             both
    first step    a random linear predictor          the identity
    views         crops of at least 0.08, jitter     simclr_cifar
                  of 0.4, 0.4, 0.4, 0.1
Command:
    python -m jcl.train --config=configs/directpred_cifar10.py --workdir=runs/directpred_cifar10
Expected time: Not measured here.
Expected score: Not measured here.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 128, epochs: float = 100.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="tfds:cifar10", image_size=32)
    config.views = dict(name="simclr_cifar")
    config.encoder = dict(name="resnet18", stem="cifar")
    config.projector = dict(name="mlp", hidden_dim=512, output_dim=128)
    config.method = dict(name="directpred", decay=0.996, decay_end=0.996)
    config.optimizer = dict(
        name="sgd",
        learning_rate=0.03,
        momentum=0.9,
        weight_decay=4e-4,
        groups=((".*", dict(constant_rate=True)),),
    )
    return config
