"""ConR beside L1 on photographs that were turned, few of them near +60 degrees.

Method: Keramati et al. 2024, "ConR: Contrastive Regularizer for Deep Imbalanced Regression". The
    baseline is L1 alone, --config.method.name=l1. The paper's data, AgeDB and IMDB-WIKI, are not in
    TFDS, so there is no config in its setting.
Data: as `supremix_fashion_angle`, with a density of angles that falls by 100, prepared by `make
    fashion-angle`. `window` is a degree.
Command: python -m jcl.train --config=configs/conr_fashion_angle.py --workdir=runs/conr_angle
Expected time: not measured here; meant to be half a minute of steps on 2 CPU cores.
Expected score: not measured here.
"""

from configs import supremix_fashion_angle


def get_config(arguments: str = ""):
    config = supremix_fashion_angle.get_config(arguments, batch=64, epochs=6.0)
    config.data.name = "tfds:fashion_angle_imbalanced"
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.method = dict(name="conr")
    return config
