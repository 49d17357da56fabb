"""BYOL on ImageNet with a ResNet-50, for 300 epochs.

Method: Grill et al. 2020, "Bootstrap Your Own Latent": LARS, 10 epochs of warm-up, one hidden layer
    of 4,096 in projector and predictor, 256 dimensions, one view blurred and the other seldom.
                  paper, 1,000 epochs   released code, 300 epochs   ours
    rate          0.2 B/256             0.3 B/256                   0.3 B/256
    weight decay  1.5e-6                1e-6                        1e-6
    decay         0.996, to 1           0.99, to 1                  0.99, to 1
    last biases   none in either head   the same                    projector's and predictor's
    crops         of the photograph     the same                    of 256-pixel squares
    The paper's own run: batch=4096,epochs=1000 and --config.optimizer.learning_rate=0.2
    --config.optimizer.weight_decay=1.5e-6 --config.method.decay=0.996.
Command:
    python -m jcl.train --config=configs/byol_imagenet.py:batch=4096 --workdir=runs/byol_imagenet
Expected time: Not measured here. Probes leave out the untrained encoder and raw pixels, which take
    as long as the trained one.
Expected score: linear top-1 72.5 after 300 epochs, 74.3 after 1,000 (paper); 62.5 after 100 at
    batch 256 (lightly's reproduction). Not measured here.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 4096, epochs: float = 300.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.precision = "bfloat16"
    config.data = dict(name="tfds:imagenet2012", test_split="validation", image_size=256)
    config.views = dict(name="byol", size=224)
    config.encoder = dict(name="resnet50")
    config.projector = dict(name="mlp", hidden_dim=4096, output_dim=256)
    config.predictor = dict(name="mlp", hidden_dim=4096)
    config.method = dict(name="byol", decay=0.99)
    config.optimizer = dict(
        name="lars",
        learning_rate=0.3,
        scaling="linear",
        momentum=0.9,
        weight_decay=1e-6,
        warmup_epochs=10.0,
    )
    config.checkpoint = dict(every_steps=1000)
    config.probe = dict(baselines=False)
    return config
