"""SimCLR on the generated `shapes`: the quickstart.

Method: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations".
Command: python -m jcl.train --config=configs/simclr_shapes.py --workdir=runs/quickstart
Expected time: 2 to 3 minutes of steps on 2 CPU cores.
Expected score: kNN top-1 81 to 86, linear 83 to 89 (docs/results.md).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 128, epochs: float = 10.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="shapes")
    config.views = dict(name="shapes")
    config.encoder = dict(name="convnet", widths=(24, 48, 96, 192), blocks=1)
    config.method = dict(name="simclr", temperature=0.2)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=200)
    return config
