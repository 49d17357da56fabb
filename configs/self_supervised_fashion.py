"""Self-supervised methods on Fashion-MNIST, all with one encoder and at most ten minutes of one core.

Method: each as configs/self_supervised_shapes.py has it, with its rate there, but for data, views
    and length. The budget is counted in passes of the encoder, as there. No paper has this setting.
Data: Debian's package dataset-fashion-mnist, prepared by `make fashion-mnist`.
Command: python -m jcl.train --config=configs/self_supervised_fashion.py:method=byol \
    --workdir=runs/byol
    Seven methods, one seed: python -m launch.sweep --config=configs/self_supervised_fashion.py \
    --grid=:method=simclr,byol,simsiam,moco_v2,nnclr,beclr,mv_dhel --seeds=1 --workdir=runs/fashion \
    --jobs=2
Expected time: not measured yet.
Expected score: not measured yet.
"""

from configs import self_supervised_shapes
from jcl import config as config_lib
from jcl.errors import UserError

# swav, groco and pixpro need other views than two or four of one size.
_VIEWS = {"mv_info_nce": 4, "mv_dhel": 4, "cacr": 4}
METHODS = [
    name for name in self_supervised_shapes.PASSES if name not in ("swav", "groco", "pixpro")
]


def get_config(
    arguments: str = "", *, method: str = "simclr", factor: float = 1.0, passes: float = 22.0
):
    given = config_lib.arguments(arguments, method=method, factor=factor, passes=passes)
    if given["method"] not in METHODS:
        raise UserError(f"method={given['method']} is unknown; known: {', '.join(METHODS)}")
    config = self_supervised_shapes.get_config(
        f"cell={given['method']}-{given['factor']},passes={given['passes']}"
    )
    config.data = dict(name="tfds:fashion_mnist", dir="data")
    config.views = dict(name="crop_flip_light", count=_VIEWS.get(given["method"], 2))
    config.checkpoint.every_steps = 2000
    return config
