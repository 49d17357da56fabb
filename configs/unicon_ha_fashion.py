r"""UniCon-HA on one class of Fashion-MNIST: which photographs show another thing.

Method: Wang et al. 2023, "Unilaterally Aggregated Contrastive Learning with Hierarchical
    Augmentation for Anomaly Detection", with a small encoder of four stages.
    There is no such config for the generated `shapes`: they stand at any angle, so a turned one is
    no outlier, and the method would tell apart what is alike.
Data: Debian's package dataset-fashion-mnist; the shirts to train on, all classes to test, by
    python -m jcl.data.prepare --idx=/usr/share/datasets/fashion-mnist --inlier_class=6 \
        --name=fashion_shirts --data_dir=data
Command: python -m jcl.train --config=configs/unicon_ha_fashion.py --workdir=runs/unicon_ha_fashion
Expected time: 600 steps took 190 s on 2 CPU cores that other jobs shared; idle, not measured.
Expected score: AUROC of outliers 80.2, from 73.0 untrained; raw pixels have 79.1 (seed 0, one run).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 16, epochs: float = 1.6):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="arrays:data/fashion_shirts.npz")
    config.views = dict(name="turned", min_area=0.3)
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.projector = dict(name="mlp", hidden_dim=128, output_dim=64)
    config.method = dict(name="unicon_ha", temperature=0.5, weight_temperature=0.5)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=0.1, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=200)
    return config
