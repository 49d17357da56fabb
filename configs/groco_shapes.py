"""GroCo on the generated `shapes`: two views of 32 pixels and four of 16, ten neighbours.

Method: Shvetsova et al. 2023, "Learning by Sorting: Self-supervised Learning with Group Ordering
    Constraints". The views are those of `swav_shapes`.
Command: python -m jcl.train --config=configs/groco_shapes.py --workdir=runs/groco_shapes
Expected time: 81 seconds of steps on 2 idle CPU cores: 2,031 of 40 ms (benchmarks/RESULTS.md).
Expected score: kNN top-1 50.5 of a held-out fifth of the training split, seed 0 (untrained
    encoders have 26 to 28; benchmarks/RESULTS.md, self-supervised methods).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, epochs: float = 13.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="shapes")
    config.views = dict(name="shapes_multi_crop", small_size=16, small_crops=4, min_small_area=0.5)
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.projector = dict(name="mlp", output_norm=True)
    config.method = dict(name="groco", neighbours=10, steepness=1.0)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
