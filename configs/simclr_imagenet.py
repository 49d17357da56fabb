"""SimCLR on ImageNet with a ResNet-50.

Method: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations":
    LARS, 10 epochs of warm-up, temperature 0.1, the released two-layer head.
                  paper                     released code   ours
    rate          0.075 sqrt(B) (App. B.1)  0.075 sqrt(B)   0.075 sqrt(B)
    weight decay  1e-6                      1e-4            1e-6
    crops         of the photograph         the same        of 256-pixel squares, made on the host
Command:
    python -m jcl.train --config=configs/simclr_imagenet.py:batch=4096 --workdir=runs/imagenet
Expected time: 6 h for 100 epochs on 32 TPU v3 cores (as published). Not measured here. Probes
    leave out the untrained encoder and raw pixels, which take as long as the trained one.
Expected score: linear top-1 64.5 after 100 epochs at batch 4,096 (released code); 63.2, kNN 44.8 at
    batch 256 (lightly's reproduction). Not measured here.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 4096, epochs: float = 100.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.precision = "bfloat16"
    config.data = dict(name="tfds:imagenet2012", test_split="validation", image_size=256)
    config.views = dict(name="simclr_imagenet", size=224)
    config.encoder = dict(name="resnet50")
    config.projector = dict(name="mlp", hidden_dim=2048, output_dim=128, output_norm=True)
    config.method = dict(name="simclr", temperature=0.1)
    config.optimizer = dict(
        name="lars",
        learning_rate=0.075,
        scaling="sqrt",
        momentum=0.9,
        weight_decay=1e-6,
        warmup_epochs=10.0,
    )
    config.checkpoint = dict(every_steps=1000)
    config.probe = dict(baselines=False)
    return config
