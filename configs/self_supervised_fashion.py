"""Self-supervised methods on Fashion-MNIST, one encoder, at most ten minutes of one core each.

Method: each as configs/self_supervised_shapes.py has it, but for data, views and length. A cell
    names the method and the factor of its rate, and passes of the encoder are the budget, as there.
    No paper has this setting.
Data: Debian's package dataset-fashion-mnist, prepared by `make fashion-mnist`.
Command: python -m jcl.train --config=configs/self_supervised_fashion.py:cell=byol-1 \
    --workdir=runs/byol
    Seven methods with the rates that were best on `shapes`, one seed:
    python -m launch.sweep --config=configs/self_supervised_fashion.py --seeds=1 --jobs=2 \
    --grid :cell=simclr-3,byol-1,simsiam-0.33,moco_v2-1,nnclr-1,beclr-3,mv_dhel-3 \
    --workdir=runs/fashion
Expected time: 3 to 8 minutes of steps, beside another run on 2 CPU cores.
Expected score: kNN top-1 85 to 86, from 79 to 80 untrained, seed 0 (benchmarks/RESULTS.md).
"""

from configs import self_supervised_shapes
from jcl import config as config_lib
from jcl.errors import UserError

_FOUR = ("mv_info_nce", "mv_dhel", "cacr")
_OTHER_VIEWS = ("swav", "groco", "pixpro")  # small crops, or boxes


def get_config(arguments: str = "", *, cell: str = "simclr-3", passes: float = 22.0):
    given = config_lib.arguments(arguments, cell=cell, passes=passes)
    method = given["cell"].partition("-")[0]
    if method in _OTHER_VIEWS:
        raise UserError(f"cell={given['cell']}: {method} needs other views")
    config = self_supervised_shapes.get_config(f"cell={given['cell']},passes={given['passes']}")
    config.data = dict(name="tfds:fashion_mnist", dir="data")
    config.views = dict(name="crop_flip_light", count=4 if method in _FOUR else 2)
    config.checkpoint.every_steps = 2000
    return config
