"""ConR beside L1 on a table in which dear diamonds are rare.

Method: Keramati et al. 2024, "ConR: Contrastive Regularizer for Deep Imbalanced Regression". The
    baseline is L1 alone, --config.method.name=l1. The paper's data, AgeDB and IMDB-WIKI, are not in
    TFDS, so there is no config in its setting.
Data: as `supremix_diamonds`, with a density that falls by 100 from the cheap to the dear, prepared
    by `make diamonds`. `window` is 1, 2.3% of the price.
Command: python -m jcl.train --config=configs/conr_diamonds.py --workdir=runs/conr_diamonds
Expected time: not measured here; L1 takes a quarter of a minute of steps on 2 CPU cores.
Expected score: not measured here. L1 alone has a MAE of 6.37 with its own head
    (benchmarks/RESULTS.md, contrastive regression).
"""

from configs import supremix_diamonds


def get_config(arguments: str = ""):
    config = supremix_diamonds.get_config(arguments)
    config.data.name = "arrays:data/diamonds_imbalanced.npz"
    config.method = dict(name="conr")
    return config
