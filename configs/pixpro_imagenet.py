"""PixPro on ImageNet with a ResNet-50, whose maps have 7x7 cells.

Method: Xie et al. 2021, "Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised
    Visual Representation Learning".
                  paper                        released code         ours
    rate          1.0 B / 256                  the same, LARS        1.0 B / 256, LARS
    decay         1e-5                         1e-5                  1e-5
    values g      one 1x1 convolution          scaled to norm 1      as the convolution gives them
    loss          mean cosines of two ways     doubled               doubled
    crops         bilinear, whole pixels       the same              cubic, of 256-pixel squares
    overlap       of boxes                     of pixels' middles    of boxes
    one image     may have a branch of its own weight 0 by default   no such branch
Command: python -m jcl.train --config=configs/pixpro_imagenet.py --workdir=runs/pixpro_imagenet
Expected time: not known to us. Not measured here. Probes leave out the untrained encoder and raw
    pixels, which take as long as the trained one.
Expected score: it is made for detection: VOC AP 58.8 with a C4 detector after 100 epochs (released
    code), which jcl does not train. Not measured here.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 1024, epochs: float = 100.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.precision = "bfloat16"
    config.data = dict(name="tfds:imagenet2012", test_split="validation", image_size=256)
    config.views = dict(name="byol_boxes", size=224, min_area=0.08)
    config.encoder = dict(name="resnet50")
    config.projector = dict(name="mlp", hidden_dim=4096, output_dim=256)
    config.predictor = dict(name="mlp", layers=1)
    config.method = dict(name="pixpro", power=2.0, distance=0.7, decay=0.99, decay_end=1.0)
    config.optimizer = dict(
        name="lars",
        learning_rate=1.0,
        scaling="linear",
        momentum=0.9,
        weight_decay=1e-5,
        warmup_epochs=5.0,
    )
    config.checkpoint = dict(every_steps=1000)
    config.probe = dict(baselines=False)
    return config
