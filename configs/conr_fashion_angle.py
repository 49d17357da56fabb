"""ConR beside L1 on photographs that were turned, few of them near +60 degrees.

Method: Keramati et al. 2024, "ConR: Contrastive Regularizer for Deep Imbalanced Regression". The
    baseline is L1 alone, --config.method.name=l1. The paper's data, AgeDB and IMDB-WIKI, are not in
    TFDS, so there is no config in its setting.
Data: as `supremix_fashion_angle`, with a density of angles that falls by 100, prepared by `make
    fashion-angle`. `window` is a degree.
Command: python -m jcl.train --config=configs/conr_fashion_angle.py --workdir=runs/conr_angle
Expected time: 900 steps take 24 seconds with another run beside it on 2 CPU cores.
Expected score: the MAE where targets are rare is 59.3 by the head and 30.0 by kNN (seed 0). L1
    alone has 58.5 and 32.1 after 900 steps. With a weight of 4 the head has 65.8 ± 0.6
    (docs/demonstrations.md).
"""

from configs import supremix_fashion_angle


def get_config(arguments: str = ""):
    config = supremix_fashion_angle.get_config(arguments, batch=64, epochs=6.0)
    config.data.name = "tfds:fashion_angle_imbalanced"
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.method = dict(name="conr", weight=0.17)  # the paper's 4 beside targets of deviation 23
    return config
