"""MoCo v2 on ImageNet with a ResNet-50.

Method: He et al. 2020, "Momentum Contrast for Unsupervised Visual Representation Learning"; Chen et
    al. 2020, "Improved Baselines with Momentum Contrastive Learning".
                  paper and released code          ours
    rate          0.03 at batch 256, linear in B   the same
    schedule      a cosine, a step an epoch        a cosine, a step an update
    decayed       biases and norms too, 1e-4       weights, 1e-4
    BatchNorm     of each of 8 GPUs, keys          of the global batch
                  shuffled between them
    crops         of the photograph                of 256-pixel squares, made on the host
Command:
    python -m jcl.train --config=configs/moco_v2_imagenet.py --workdir=runs/moco_v2_imagenet
Expected time: 53 h for 200 epochs on 8 V100 (as published with the code). Not measured here. Probes
    leave out the untrained encoder and raw pixels, which take as long as the trained one.
Expected score: linear top-1 67.5 after 200 epochs, the mean of five runs, and 71.1 after 800
    (released code). Not measured here.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 256, epochs: float = 200.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.precision = "bfloat16"
    config.data = dict(name="tfds:imagenet2012", test_split="validation", image_size=256)
    # MoCo v2's colour jitter, 0.4, 0.4, 0.4 and 0.1, is SimCLR's at half its strength.
    config.views = dict(name="simclr_imagenet", size=224, min_area=0.2, strength=0.5)
    config.encoder = dict(name="resnet50")
    config.projector = dict(name="mlp", hidden_dim=2048, output_dim=128, norm="none")
    config.method = dict(name="moco_v2", temperature=0.2, decay=0.999, queue_size=65536)
    config.optimizer = dict(
        name="sgd", learning_rate=0.03, scaling="linear", momentum=0.9, weight_decay=1e-4
    )
    config.checkpoint = dict(every_steps=1000)
    config.probe = dict(baselines=False)
    return config
