"""Hydra on the generated `shapes`: any two classes share a gated part of the embedding.

Method: Wu et al. 2024, "Rethinking Positive Pairs in Contrastive Learning". The class embedding and
    the gate are smaller than the authors'. The baseline is SupCon, which brings together examples
    of one class alone: --config.method.name=supcon
Command: python -m jcl.train --config=configs/hydra_shapes.py --workdir=runs/hydra_shapes
Expected time: 700 steps take 23 seconds with another run beside it on 2 CPU cores.
Expected score: kNN top-1 of two unseen classes 80.1 ± 3.2 after 700 steps on the other six, SupCon
    82.2 ± 4.4 (docs/demonstrations.md, 3 seeds).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, epochs: float = 6.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="shapes")
    config.views = dict(name="shapes")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.method = dict(name="hydra", temperature=0.1, class_width=64, gate_width=128)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=0.5, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
