"""SwAV on the generated `shapes`: two views of 32 pixels and four of 16, 32 prototypes.

Method: Caron et al. 2020, "Unsupervised Learning of Visual Features by Contrasting Cluster
    Assignments". So small an encoder in so few steps needs harder codes than the paper's (epsilon
    0.01, balanced by 20 iterations) and few dimensions; with the paper's 0.05 codes become uniform.
Command: python -m jcl.train --config=configs/swav_shapes.py --workdir=runs/swav_shapes
Expected time: about a minute of steps on 2 CPU cores.
Expected score: kNN top-1 46 to 49, from 27 untrained, in three seeds (benchmarks/RESULTS.md).
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
    config.projector = dict(name="mlp", output_dim=16, output_norm=True)
    config.method = dict(
        name="swav", temperature=0.2, epsilon=0.01, iterations=20, prototypes=32, hold_epochs=1.0
    )
    config.optimizer = dict(name="adamw", learning_rate=5e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
