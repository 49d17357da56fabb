"""Feature transformation on the generated `shapes`: `moco_v2_shapes`, all that meets moved.

Method: Zhu et al. 2021, "Improving Contrastive Learning by Visualizing Feature Transformation".
Command: python -m jcl.train --config=configs/feature_transformation_shapes.py --workdir=runs/ft
Expected time: 37 seconds of steps on 2 idle CPU cores: 2,343 of 16 ms (benchmarks/RESULTS.md).
Expected score: it collapses at this length and size. kNN top-1 21.3 of a held-out fifth of the
    training split, seed 0 (untrained encoders have 26 to 28), 55.1 without the extrapolation of
    positives (benchmarks/RESULTS.md, self-supervised methods).
"""

from configs import moco_v2_shapes


def get_config(arguments: str = ""):
    config = moco_v2_shapes.get_config(arguments)
    config.method.update(name="feature_transformation", positive_alpha=2.0, negative_alpha=1.6)
    return config
