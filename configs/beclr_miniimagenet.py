"""BECLR on miniImageNet with a ResNet-18, for 400 epochs at batch 256, probed by few-shot episodes.

Method: Poulakakis-Daktylidis & Jamali-Rad 2024, "BECLR: Batch Enhanced Contrastive Few-Shot
    Learning".
                  released code                     ours
    optimizer     SGD 0.3 B/256, decay 1e-4         the same, with ten epochs of warm-up
    networks      projector of 3 layers, BatchNorm, the same; a predictor of 2 layers
                  512 dimensions
    memory        8192 rows, 200 prototypes,        the same
                  neighbours from epoch 60
    neighbours    appended without gradient         positives (--config.method.neighbours=released)
    views         not compared                      simclr_imagenet, 84 pixels
Data: miniImageNet is in no package of datasets. The images of its 64 classes for training belong
    into data/mini_imagenet/train/CLASS/, and those of its 20 classes for tests into
    data/mini_imagenet/test/CLASS/. The splits share no class, so that only the scores of episodes
    and of geometry mean something; a warning names the classes.
Command: python -m jcl.train --config=configs/beclr_miniimagenet.py --workdir=runs/beclr
    python -m jcl.evaluate --workdir=runs/beclr
Expected time: not measured here.
Expected score: not measured here. The paper has up to 14 points above others in one-shot episodes.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 256, epochs: float = 400.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="folder:data/mini_imagenet", image_size=96)
    config.views = dict(name="simclr_imagenet", size=84, min_area=0.2, strength=0.5)
    config.encoder = dict(name="resnet18")
    config.projector = dict(name="mlp", layers=3, hidden_dim=512, output_dim=512, output_norm=True)
    config.predictor = dict(name="mlp", hidden_dim=512)
    config.method = dict(name="beclr", k=5)
    config.optimizer = dict(
        name="sgd",
        learning_rate=0.3,
        scaling="linear",
        momentum=0.9,
        weight_decay=1e-4,
        warmup_epochs=10.0,
    )
    config.probe = dict(baselines=False)
    return config
