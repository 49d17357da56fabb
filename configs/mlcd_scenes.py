"""MLCD on scenes of one to four shapes: the nearest 1 to 8 of 200 clusters of SimCLR's features.

Method: An et al. 2024, "Multi-label Cluster Discrimination for Visual Representation Learning", in
    our reading (`jcl.methods.mlcd`). The controls are SimCLR, method=simclr, whose features the
    clusters are made of, and one cluster an example, positives=1. The paper has a million clusters
    of CLIP's features on LAION-400M, a ViT, batch 32,768 and AdamW 1e-3 with weight decay 0.2 for
    32 epochs; jcl has no config of that, because it has no reader of that dataset.
Data: after SimCLR has been trained,
    python -m jcl.evaluate --workdir=runs/scenes_simclr --export_features=data/scenes_features.npz
    python -m jcl.data.prepare --source=scenes --clusters_of=data/scenes_features.npz --centres=200
        --nearest=8 --name=scenes_clusters --data_dir=data
Command: python -m jcl.train --config=configs/mlcd_scenes.py:method=simclr
        --workdir=runs/scenes_simclr
    python -m jcl.train --config=configs/mlcd_scenes.py:positives=8 --workdir=runs/mlcd
Expected time: 450 steps take 40 seconds with another run beside it on 2 CPU cores.
Expected score: mean average precision ("multi_label") 51.4 ± 0.4 after 450 steps, SimCLR 54.5 ± 0.9
    (docs/demonstrations.md, 3 seeds).
"""

from jcl import config as config_lib


def get_config(
    arguments: str = "", *, method: str = "mlcd", positives: int = 8, epochs: float = 4.0
):
    given = config_lib.arguments(arguments, method=method, positives=positives, epochs=epochs)
    config = config_lib.base()
    config.batch_size = 64
    config.total_epochs = given["epochs"]
    config.views = dict(name="shapes")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.projector = dict(name="mlp", hidden_dim=256, output_dim=64)
    if given["method"] == "mlcd":
        config.data = dict(name="arrays:data/scenes_clusters.npz")
        config.method = dict(
            name="mlcd", classes=200, positives=given["positives"], share=0.5, scale=16.0
        )
    else:
        config.data = dict(name="scenes")
        config.method = dict(name=given["method"], temperature=0.2)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.probe = dict(baselines=False, linear_seeds=1, shares=())
    return config
