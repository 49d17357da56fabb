"""GroCo on ImageNet with a ResNet-50: two views of 224 pixels and six of 96.

Method: Shvetsova et al. 2023, "Learning by Sorting: Self-supervised Learning with Group Ordering
    Constraints".
                  authors' config (multi-crop, 100 epochs)   ours
    optimizer     SGD 0.75 at batch 256, linear              the same
    warm-up       10 epochs                                  the same
    head          3 layers to 2048; no scale in the last     the same, with a scale in the last norm
                  norm
    colours       DINO's: jitter of saturation 0.2; the      jitter of saturation 0.4; all views are
                  first view is blurred, the second seldom,  blurred with probability 0.5, none is
                  and then solarised with probability 0.2    solarised
    crops         of the photograph                          of 256-pixel squares, made on the host
    Two large views alone: --config.views.name=byol, whose pair is DINO's but for the smallest area.
Command: python -m jcl.train --config=configs/groco_imagenet.py --workdir=runs/groco_imagenet
Expected time: not measured here.
Expected score: linear top-1 71.8 after 100 epochs, 73.9 after 800; with two large views alone 69.2
    and 71.2 (paper). Not measured here.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 1024, epochs: float = 100.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.precision = "bfloat16"
    config.data = dict(name="tfds:imagenet2012", test_split="validation", image_size=256)
    config.views = dict(name="multi_crop", size=224, small_size=96, small_crops=6, strength=0.5)
    config.encoder = dict(name="resnet50")
    config.projector = dict(
        name="mlp", layers=3, hidden_dim=2048, output_dim=2048, output_norm=True
    )
    config.method = dict(name="groco", neighbours=10, steepness=1.0)
    config.optimizer = dict(
        name="sgd",
        learning_rate=0.75,
        scaling="linear",
        momentum=0.9,
        weight_decay=1e-6,
        warmup_epochs=10.0,
    )
    config.checkpoint = dict(every_steps=1000)
    config.probe = dict(baselines=False)
    return config
