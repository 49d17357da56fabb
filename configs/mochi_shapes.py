"""MoCHi on the generated `shapes`: `moco_v2_shapes` with mixtures of its hardest negatives.

Method: Kalantidis et al. 2020, "Hard Negative Mixing for Contrastive Learning". As many of the
    queue are mixed as in the paper, one in 64 on ImageNet, and rounded up; the mixtures start after
    a tenth of the run.
Command: python -m jcl.train --config=configs/mochi_shapes.py --workdir=runs/mochi_shapes
Expected time: 30 seconds of steps on 2 idle CPU cores: 2,343 of 13 ms (benchmarks/RESULTS.md).
Expected score: kNN top-1 62.9 of a held-out fifth of the training split, seed 0 (untrained
    encoders have 26 to 28; benchmarks/RESULTS.md, self-supervised methods).
"""

from configs import moco_v2_shapes


def get_config(arguments: str = ""):
    config = moco_v2_shapes.get_config(arguments)
    config.method.update(name="mochi", hardest=64, mixed=64, mixed_with_query=16, start_epochs=1.5)
    return config
