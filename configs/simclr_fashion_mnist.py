"""SimCLR on Fashion-MNIST: real images, within an hour on two CPU cores.

Method: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations".
Data: Debian's package dataset-fashion-mnist, prepared by `make fashion-mnist`.
Command: python -m jcl.train --config=configs/simclr_fashion_mnist.py --workdir=runs/fashion_mnist
Expected time: 20 to 30 minutes of steps on 2 CPU cores.
Expected score: kNN top-1 86.2, linear 88.8 (docs/results.md).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 256, epochs: float = 15.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="tfds:fashion_mnist", dir="data")
    config.views = dict(name="crop_flip_light")
    config.encoder = dict(name="convnet", widths=(64, 128, 256))
    config.projector = dict(name="mlp", hidden_dim=256)
    config.method = dict(name="simclr", temperature=0.2)
    config.optimizer = dict(name="adamw", learning_rate=4e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    config.probe = dict(every_steps=1170)  # five epochs
    return config
