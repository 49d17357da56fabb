"""SwAV on ImageNet with a ResNet-50: two crops of 224 pixels and six of 96.

Method: Caron et al. 2020, "Unsupervised Learning of Visual Features by Contrasting Cluster
    Assignments": LARS, 3000 prototypes, a queue for small batches.
                   released, batch 4096   released, batch 256    ours
    rate           4.8                    0.6                    0.3 B/256 above batch 256, else 0.6
    last rate      0.0048                 0.0006                 0
    warm-up        10 epochs              none                   the same
    queue          none                   3840, from epoch 15    the same
    held           313 steps              5005 steps             an epoch, which is about as many
    crops          of the photograph      the same               of 256-pixel squares, made on the
                                                                 host
Command: python -m jcl.train --config=configs/swav_imagenet.py --workdir=runs/swav_imagenet
    With the queue: --config=configs/swav_imagenet.py:batch=256,epochs=200.
Expected time: 3 min 40 s an epoch at batch 4096, 52 min at 256 (the authors' table). Not measured
    here. Probes leave out the untrained encoder and raw pixels, which take as long as the trained
    one.
Expected score: linear top-1 72.1 after 100 epochs, 73.9 after 200, 75.3 after 800 at batch 4096;
    72.7 after 200 epochs at batch 256 (the authors' table). Not measured here.
"""

from jcl import config as config_lib

SMALL_BATCH = 256  # what the authors' recipe with a queue is for


def get_config(arguments: str = "", *, batch: int = 4096, epochs: float = 100.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    is_small = given["batch"] <= SMALL_BATCH
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.precision = "bfloat16"
    config.data = dict(name="tfds:imagenet2012", test_split="validation", image_size=256)
    config.views = dict(name="multi_crop", size=224, small_size=96, small_crops=6)
    config.encoder = dict(name="resnet50")
    config.projector = dict(name="mlp", hidden_dim=2048, output_dim=128)
    config.method = dict(
        name="swav",
        temperature=0.1,
        epsilon=0.05,
        prototypes=3000,
        queue_size=3840 if is_small else 0,
    )
    config.optimizer = dict(
        name="lars",
        learning_rate=0.6 if is_small else 0.3,
        scaling="none" if is_small else "linear",
        momentum=0.9,
        weight_decay=1e-6,
        warmup_epochs=0.0 if is_small else 10.0,
    )
    config.checkpoint = dict(every_steps=1000)
    config.probe = dict(baselines=False)
    return config
