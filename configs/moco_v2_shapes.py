"""MoCo v2 on the generated `shapes`: a small encoder, small batches, and a queue.

Method: He et al. 2020, "Momentum Contrast for Unsupervised Visual Representation Learning"; Chen et
    al. 2020, "Improved Baselines with Momentum Contrastive Learning".
Command: python -m jcl.train --config=configs/moco_v2_shapes.py --workdir=runs/moco_v2_shapes
Expected time: 35 seconds of steps on 2 idle CPU cores: 2,343 of 15 ms (benchmarks/RESULTS.md).
Expected score: kNN top-1 61.2 of a held-out fifth of the training split, seed 0 (untrained
    encoders have 26 to 28; benchmarks/RESULTS.md, self-supervised methods). With decay 0.97, a
    queue of 2,048 and a projector without norm, one run (seed 0) collapsed: kNN top-1 19.1, from
    26.5 untrained.
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
    # The queue is 16 steps old at most, and the copies take 100 to follow: its keys are alike.
    config.method = dict(name="moco_v2", temperature=0.2, decay=0.99, queue_size=1024)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
