"""Core-tuning on 500 labels of shapes, from SimCLR's encoder; or cross-entropy from the same.

Method: Zhang et al. 2021, "Unleashing the Power of Contrastive Self-Supervised Visual Models via
    Contrast-Regularized Fine-Tuning". The paper has no such data. method=cross_entropy is the
    control, and method=simclr pretrains on all 10,000 images without labels.
Command: python -m jcl.train --config=configs/core_tuning_shapes.py:method=simclr
        --workdir=runs/pretrained
    python -m jcl.train --config=configs/core_tuning_shapes.py:pretrained=runs/pretrained
        --workdir=runs/core_tuning
Expected time: 300 steps take 11 seconds with another run beside it on 2 CPU cores.
Expected score: top-1 of the run's own head 38.8 ± 0.6, cross-entropy alone 41.7 ± 0.7
    (docs/demonstrations.md, 3 seeds).
"""

from jcl import config as config_lib


def get_config(
    arguments: str = "",
    *,
    method: str = "core_tuning",
    pretrained: str = "runs/pretrained",
    epochs: float = 6.0,
    labels: int = 500,
    steps: int = 300,
    rate: float = 1e-3,
):
    given = config_lib.arguments(
        arguments,
        method=method,
        pretrained=pretrained,
        epochs=epochs,
        labels=labels,
        steps=steps,
        rate=rate,
    )
    config = config_lib.base()
    config.batch_size = 64
    config.views = dict(name="shapes")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.method = dict(name=given["method"])
    config.optimizer = dict(name="adamw", weight_decay=1e-4)
    config.probe = dict(baselines=False, linear_seeds=1, shares=())
    if given["method"] == "simclr":
        config.total_epochs = given["epochs"]
        config.data = dict(name="shapes")
        config.method.temperature = 0.2
        config.optimizer.update(learning_rate=3e-3, warmup_epochs=1.0)
    else:
        config.init_from = (("encoder", given["pretrained"]),)
        config.total_steps = given["steps"]
        config.data = dict(name="shapes", train_examples=given["labels"])
        config.optimizer.update(learning_rate=given["rate"], warmup_steps=given["steps"] // 10)
        # A new head learns from nothing, and the encoder from what it knows.
        config.optimizer.groups = (("encoder", dict(scale=0.3)),)
    return config
