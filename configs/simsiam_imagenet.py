"""SimSiam on ImageNet with a ResNet-50, for 100 epochs at batch 512.

Method: Chen & He 2021, "Exploring Simple Siamese Representation Learning": SGD without warm-up,
    three layers of projector with BatchNorm after each, a predictor with a bottleneck of 512, whose
    rate is constant.
                  paper and released code           ours
    rate          0.05 B/256, batch 512             the same
    decayed       biases and norms too              weights
    last norm     neither scale nor bias            a scale that is held at 1
    views         crops of 0.2 to 1, half jitter    simclr_imagenet at half the strength
    crops         of the photograph                 of 256-pixel squares, made on the host
Command: python -m jcl.train --config=configs/simsiam_imagenet.py --workdir=runs/simsiam_imagenet
Expected time: Not measured here. Probes leave out the untrained encoder and raw pixels, which take
    as long as the trained one.
Expected score: linear top-1 68.1 after 100 epochs, 70.0 after 200, 71.3 after 800 (paper). Not
    measured here.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 512, epochs: float = 100.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.precision = "bfloat16"
    config.data = dict(name="tfds:imagenet2012", test_split="validation", image_size=256)
    config.views = dict(name="simclr_imagenet", size=224, min_area=0.2, strength=0.5)
    config.encoder = dict(name="resnet50")
    config.projector = dict(
        name="mlp", layers=3, hidden_dim=2048, output_dim=2048, output_norm=True
    )
    config.predictor = dict(name="mlp", hidden_dim=512)
    config.frozen = ("projector/batch_norm2",)  # its scale, so that the norm has no parameter
    config.method = dict(name="simsiam")
    config.optimizer = dict(
        name="sgd", learning_rate=0.05, scaling="linear", momentum=0.9, weight_decay=1e-4
    )
    config.checkpoint = dict(every_steps=1000)
    config.probe = dict(baselines=False)
    return config
