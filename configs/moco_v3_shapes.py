"""MoCo v3 on the generated `shapes`: a small encoder and many steps, which momentum keys need.

Method: Chen, Xie & He 2021, "An Empirical Study of Training Self-Supervised Vision Transformers".
Command: python -m jcl.train --config=configs/moco_v3_shapes.py --workdir=runs/moco_v3_shapes
Expected time: about a minute of steps on 2 CPU cores.
Expected score: kNN top-1 45 to 63, from 28 untrained, in three seeds (benchmarks/RESULTS.md).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, epochs: float = 15.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="shapes")
    config.views = dict(name="shapes")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.method = dict(name="moco_v3", temperature=0.2, decay=0.96)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
