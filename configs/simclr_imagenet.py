"""SimCLR on ImageNet with a ResNet-50.

Method: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations":
    LARS with 0.075 sqrt(B), 10 epochs of warm-up, temperature 0.1, the released two-layer head.
    Weight decay is that of the paper, 1e-6; the released command has 1e-4.
Images are brought to a 256-pixel square on the host, and the random crops of 224 are cut from
    that on the device; the paper cuts them from the whole photograph.
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
    config.data.name = "tfds:imagenet2012"
    config.data.test_split = "validation"
    config.data.image_size = 256
    config.views.name = "simclr_imagenet"
    config.views.size = 224
    config.encoder.name = "resnet50"
    config.projector.hidden_dim = 2048
    config.projector.output_dim = 128
    config.projector.output_norm = True
    config.method.name = "simclr"
    config.method.temperature = 0.1
    config.optimizer.name = "lars"
    config.optimizer.learning_rate = 0.075
    config.optimizer.scaling = "sqrt"
    config.optimizer.momentum = 0.9
    config.optimizer.weight_decay = 1e-6
    config.optimizer.warmup_epochs = 10.0
    config.checkpoint.every_steps = 1000
    config.probe.baselines = False
    return config
