"""SimSiam on the generated `shapes`: a small encoder, one network, no negatives and no copies.

Method: Chen & He 2021, "Exploring Simple Siamese Representation Learning": three layers of
    projector with BatchNorm after each, a predictor with a bottleneck, at a constant rate.
Command: python -m jcl.train --config=configs/simsiam_shapes.py --workdir=runs/simsiam_shapes
Expected time: about a minute of steps on 2 CPU cores.
Expected score: kNN top-1 20.7 of a held-out fifth of the training split, seed 0 (untrained
    encoders have 26 to 28; benchmarks/RESULTS.md, self-supervised methods).
    So it misses the goal of 15 points more.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, epochs: float = 13.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="shapes")
    config.views = dict(name="shapes")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.projector = dict(name="mlp", layers=3, hidden_dim=256, output_dim=256, output_norm=True)
    config.predictor = dict(name="mlp", hidden_dim=64)
    config.frozen = ("projector/batch_norm2",)  # its scale, so that the norm has no parameter
    config.method = dict(name="simsiam")
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
