"""CACR on the generated `shapes`: four views of an image, each a query in turn.

Method: Zheng et al. 2023, "Contrastive Attraction and Contrastive Repulsion for Representation
    Learning". The number of views is an argument, and the run has `passes / views` epochs, as in
    `mv_info_nce_shapes`.
Command: python -m jcl.train --config=configs/cacr_shapes.py --workdir=runs/cacr_shapes
Expected time: 47 seconds of steps on 2 idle CPU cores: 1,093 of 43 ms (benchmarks/RESULTS.md).
Expected score: kNN top-1 65.9 of a held-out fifth of the training split, seed 0 (untrained
    encoders have 26 to 28; benchmarks/RESULTS.md, self-supervised methods).
"""

from configs import mv_info_nce_shapes


def get_config(arguments: str = ""):
    config = mv_info_nce_shapes.get_config(arguments)
    config.method = dict(name="cacr", t_positive=1.0, t_negative=2.0)
    return config
