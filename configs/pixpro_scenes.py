"""PixPro on the generated `scenes`, whose images hold several shapes, and what its cells know.

Method: Xie et al. 2021, "Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised
    Visual Representation Learning". The encoder's maps have 6x6 cells of 8 pixels. The baseline is
    SimCLR with the same encoder and views, `configs/pixpro_scenes.py:method=simclr`.
Command: python -m jcl.train --config=configs/pixpro_scenes.py --workdir=runs/pixpro_scenes
    Then python -m jcl.evaluate --workdir=runs/pixpro_scenes --config.probe.baselines=False prints
    "shape of a cell", a linear probe; baselines include raw pixels, which take minutes.
Expected time: about 100 seconds of steps beside another run on 2 CPU cores.
Expected score: of 400 steps, cells score 24.0 +- 0.9 percent, SimCLR's 35.2 +- 0.3, the untrained
    encoder's 27.7: PixPro collapses here (docs/demonstrations.md).
"""

from jcl import config as config_lib
from jcl.errors import UserError


def get_config(
    arguments: str = "", *, method: str = "pixpro", batch: int = 64, epochs: float = 6.5
):
    given = config_lib.arguments(arguments, method=method, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="scenes")
    config.views = dict(name="shapes_boxes", min_area=0.4)
    config.encoder = dict(name="convnet", widths=(16, 32, 64), blocks=1)
    config.projector = dict(name="mlp", hidden_dim=256, output_dim=64)
    if given["method"] == "pixpro":
        config.predictor = dict(name="mlp", layers=1)
        config.method = dict(name="pixpro", decay=0.96)
    elif given["method"] == "simclr":
        config.method = dict(name="simclr", temperature=0.2)
    else:
        raise UserError(f"the config argument method={given['method']} is not pixpro or simclr")
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
