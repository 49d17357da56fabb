"""ConR beside L1 on a table in which dear diamonds are rare.

Method: Keramati et al. 2024, "ConR: Contrastive Regularizer for Deep Imbalanced Regression". The
    baseline is L1 alone, --config.method.name=l1. The paper's data, AgeDB and IMDB-WIKI, are not in
    TFDS, so there is no config in its setting.
Data: as `supremix_diamonds`, with a density that falls by 100 from the cheap to the dear, prepared
    by `make diamonds`. `window` is 1, 2.3% of the price.
Command: python -m jcl.train --config=configs/conr_diamonds.py --workdir=runs/conr_diamonds
Expected time: 468 steps take 8 seconds with another run beside it on 2 CPU cores.
Expected score: the MAE where targets are rare is 12.2 by the head and 6.4 by kNN (seed 0). L1 alone
    has 9.9 and 6.5. With a weight of 4 the head has 16.9 ± 2.0 (docs/demonstrations.md).
"""

from configs import supremix_diamonds


def get_config(arguments: str = ""):
    config = supremix_diamonds.get_config(arguments)
    config.data.name = "arrays:data/diamonds_imbalanced.npz"
    config.method = dict(name="conr", weight=0.12)  # the paper's 4 beside targets of deviation 33
    return config
