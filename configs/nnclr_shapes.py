"""NNCLR on the generated `shapes`: the nearest of 4,096 past projections as the positive.

Method: Dwibedi et al. 2021, "With a Little Help from My Friends: Nearest-Neighbor Contrastive
    Learning of Visual Representations".
Command: python -m jcl.train --config=configs/nnclr_shapes.py --workdir=runs/nnclr_shapes
Expected time: 2,184 steps, which took 3 minutes on 2 cores beside other jobs.
Expected score: kNN top-1 64.8, linear 63.4, from 26.5 and 22.2 untrained (seed 0 alone).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, epochs: float = 14.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="shapes")
    config.views = dict(name="shapes")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.projector = dict(name="mlp", output_norm=True)
    config.method = dict(name="nnclr", temperature=0.1, queue_size=4096)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
