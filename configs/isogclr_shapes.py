r"""iSogCLR on long-tailed `shapes`: each example learns a temperature of its own.

Method: Qiu et al. 2023, "Not All Semantics are Created Equal: Contrastive Self-supervised Learning
    with Automatic Temperature Individualization". The baseline is SogCLR, with one temperature
    for all: --config.method.name=sogclr --config.method.temperature=0.2 --config.method.gamma=0.8
Data: 100 discs for each half-disc, and in between what lies between, by
    python -m jcl.data.prepare --source=shapes --class_ratio=100 --name=shapes_tail100 \
        --data_dir=data
Command: python -m jcl.train --config=configs/isogclr_shapes.py --workdir=runs/isogclr_shapes
Expected time: 900 steps take 35 seconds with another run beside it on 2 CPU cores.
Expected score: balanced kNN 33.2 ± 2.3 after 900 steps, as SogCLR, 33.4 ± 2.2
    (docs/demonstrations.md, 3 seeds).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, epochs: float = 16.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="tfds:shapes_tail100", dir="data")
    config.views = dict(name="shapes")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.method = dict(name="isogclr", temperature=0.2)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
