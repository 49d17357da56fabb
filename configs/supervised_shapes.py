"""The quickstart's encoder and views, trained with labels: the ceiling it is compared with.

Command: python -m jcl.train --config=configs/supervised_shapes.py --workdir=runs/supervised_shapes
"""

from configs import simclr_shapes


def get_config():
    config = simclr_shapes.get_config()
    config.method.name = "benchmarks.supervised:Supervised"
    config.method.temperature = None
    return config
