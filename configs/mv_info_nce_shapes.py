"""MV-InfoNCE on the generated `shapes`: four views of an image at once.

Method: Koromilas et al. 2025, "A Principled Framework for Multi-View Contrastive Learning".
    The number of views is an argument, and the encoder's passes stay what they are: the run has
    `passes / views` epochs. So `:views=2`, `:views=4` and `:views=8` compare numbers of views at
    equal encoder passes, and `--config.method.name=simclr` the mean over pairs with them.
Command:
    python -m jcl.train --config=configs/mv_info_nce_shapes.py:views=4 --workdir=runs/mv_info_nce
Expected time: 52 seconds of steps on 2 idle CPU cores: 1,093 of 48 ms (benchmarks/RESULTS.md).
Expected score: kNN top-1 44.6 of a held-out fifth of the training split, seed 0 (untrained
    encoders have 26 to 28; benchmarks/RESULTS.md, self-supervised methods).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, views: int = 4, passes: float = 28.0):
    given = config_lib.arguments(arguments, batch=batch, views=views, passes=passes)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["passes"] / max(given["views"], 1)  # 0 is refused by its name
    config.data = dict(name="shapes")
    config.views = dict(name="shapes", count=given["views"])
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.method = dict(name="mv_info_nce", temperature=0.2)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=0.5, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
