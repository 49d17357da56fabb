"""MV-DHEL on the generated `shapes`: four views of an image at once.

Method: Koromilas et al. 2025, "A Principled Framework for Multi-View Contrastive Learning".
    As in `mv_info_nce_shapes`, `:views=2`, `:views=4` and `:views=8` compare numbers of views at
    equal encoder passes.
Command: python -m jcl.train --config=configs/mv_dhel_shapes.py:views=4 --workdir=runs/mv_dhel
Expected time: 55 seconds of steps on 2 idle CPU cores: 1,093 of 50 ms (benchmarks/RESULTS.md).
Expected score: kNN top-1 76.2 of a held-out fifth of the training split, seed 0 (untrained
    encoders have 26 to 28; benchmarks/RESULTS.md, self-supervised methods).
"""

from configs import mv_info_nce_shapes


def get_config(arguments: str = ""):
    config = mv_info_nce_shapes.get_config(arguments)
    config.method = dict(name="mv_dhel", temperature=0.2)
    return config
