"""SimCLR among hard negatives alone on the generated `shapes`.

Method: Wang & Liu 2021, "Understanding the Behaviour of Contrastive Loss".
Command: python -m jcl.train --config=configs/hard_simclr_shapes.py --workdir=runs/hard_simclr
Expected time: 37 seconds of steps on 2 idle CPU cores: 2,031 of 18 ms (benchmarks/RESULTS.md).
Expected score: kNN top-1 50.2 of a held-out fifth of the training split, seed 0 (untrained
    encoders have 26 to 28; benchmarks/RESULTS.md, self-supervised methods).
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
    config.method = dict(name="hard_simclr", temperature=0.5, threshold=0.1)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
