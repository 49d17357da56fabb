"""SupReMix on a table: what diamonds cost, from nine of their properties.

Method: Wu et al. 2023, "Mixup Your Own Pairs". The baselines are named in
    supremix_fashion_angle.py.
Data: 10,000 diamonds of the 53,940 that plotnine brings along, their features standardised, the
    target 100 log10 of the price in dollars; prepared by `make diamonds`.
    --config.data.name=arrays:data/diamonds_imbalanced.npz has few of the dear ones.
Command: python -m jcl.train --config=configs/supremix_diamonds.py --workdir=runs/diamonds
Expected time: a quarter of a minute of steps on 2 CPU cores.
Expected score: benchmarks/RESULTS.md, study of regression.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 256, epochs: float = 12.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="arrays:data/diamonds.npz")
    config.views = dict(name="feature_noise")
    config.encoder = dict(name="mlp", widths=(256, 256))
    config.method = dict(name="supremix", bin_width=1.0)
    config.optimizer = dict(name="adamw", learning_rate=1e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=1000)
    return config
