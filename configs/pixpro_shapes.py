"""PixPro on the generated `shapes`: cells of maps are trained, and kNN sees their mean.

Method: Xie et al. 2021, "Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised
    Visual Representation Learning". The encoder's maps have 2x2 cells, each of which sees most of
    the image; `configs/pixpro_scenes.py` has more of them and asks what they know.
Command: python -m jcl.train --config=configs/pixpro_shapes.py --workdir=runs/pixpro_shapes
Expected time: 41 seconds of steps on 2 idle CPU cores: 2,031 of 20 ms (benchmarks/RESULTS.md).
Expected score: none yet: these numbers collapse. At step 1,440 of 2,028 (seed 0) projections of
    any two images have cosine 0.99, `embedding_spread` is 0.09. The goal is 15 points of kNN above
    the untrained encoder.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, epochs: float = 13.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="shapes")
    config.views = dict(name="shapes_boxes")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.projector = dict(name="mlp", hidden_dim=256, output_dim=64)
    config.predictor = dict(name="mlp", layers=1)
    config.method = dict(name="pixpro", decay=0.96)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
