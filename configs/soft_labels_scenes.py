"""Contrast guided by multi-hot labels on the generated `scenes` of one to four shapes.

Method: our reading of SoftCon: Wang et al. 2024, "Multi-Label Guided Soft Contrastive Learning for
    Efficient Earth Observation Pretraining", whose formula was not found; temperature and
    instance_weight are ours. The baselines are SimCLR, --config.method.name=simclr, and SupCon of
    identical sets of shapes, --config.method.name=supcon with --config.data.name=
    benchmarks.demonstrations.labelled_scenes:labelled_scenes
    The paper pretrains on satellite images of 13 bands with land-cover labels, which TFDS does not
    have. TFDS has BigEarthNet, on which the paper probes, but jcl's tfds source reads one class per
    example, not several: so there is no config in the paper's setting.
Command: python -m jcl.train --config=configs/soft_labels_scenes.py --workdir=runs/soft_labels
Expected time: 450 steps take 48 seconds with another run beside it on 2 CPU cores.
Expected score: mean average precision 52.8 ± 0.4 after 450 steps, below SimCLR, 55.1 ± 0.4, and
    SupCon, 54.6 ± 0.3 (docs/demonstrations.md, 3 seeds).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, epochs: float = 3.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="scenes")
    config.views = dict(name="shapes")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.method = dict(name="soft_labels", temperature=0.1)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=0.5, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
