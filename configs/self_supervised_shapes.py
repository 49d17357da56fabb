"""Self-supervised methods on the generated `shapes`, all with one encoder and one budget.

Method: each as its own configs/NAME_shapes.py has it, but for the encoder, the batch, the length
    and a factor of the rate. The budget is counted in passes of the encoder: a view of s of S
    pixels on a side is (s / S)^2 of one, and a third of that where no gradient follows.
Command: python -m jcl.train --config=configs/self_supervised_shapes.py:cell=byol-1 \
    --workdir=runs/byol
    All methods, rates chosen on a held-out part of the training split, then three seeds:
    benchmarks/study_self_supervised.sh
Expected time: 25 to 60 seconds of steps on 2 CPU cores.
Expected score: benchmarks/RESULTS.md, "Self-supervised methods".
"""

import importlib

from jcl import config as config_lib
from jcl.errors import UserError

_TWO, _FOUR, _TWO_AND_FOUR_HALVES = 2.0, 4.0, 2 + 4 / 4
_AND_COPIES = 1 + 1 / 3
# Method -> passes of the encoder for an example and step.
PASSES = {
    "simclr": _TWO,
    "dcl": _TWO,
    "hard_simclr": _TWO,
    "sogclr": _TWO,
    "simsiam": _TWO,
    "nnclr": _TWO,
    "moco_v2": _AND_COPIES,
    "mochi": _AND_COPIES,
    "feature_transformation": _AND_COPIES,
    "moco_v3": _TWO * _AND_COPIES,
    "byol": _TWO * _AND_COPIES,
    "directpred": _TWO * _AND_COPIES,
    "beclr": _TWO * _AND_COPIES,
    "pixpro": _TWO * _AND_COPIES,
    "swav": _TWO_AND_FOUR_HALVES,
    "groco": _TWO_AND_FOUR_HALVES,
    "mv_info_nce": _FOUR,
    "mv_dhel": _FOUR,
    "cacr": _FOUR,
}


def get_config(arguments: str = "", *, cell: str = "simclr-1", passes: float = 28.0):
    given = config_lib.arguments(arguments, cell=cell, passes=passes)
    method, _, factor = given["cell"].partition("-")
    if method not in PASSES:
        raise UserError(f"cell={given['cell']} is unknown; METHOD-FACTOR with {', '.join(PASSES)}")
    own = {"dcl": "simclr"}.get(method, method)
    config = importlib.import_module(f"configs.{own}_shapes").get_config()
    config.method.name = method
    config.batch_size = 64
    config.total_epochs = given["passes"] / PASSES[method]
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.optimizer.learning_rate *= float(factor)
    config.probe = dict(linear_seeds=1, shares=())
    return config
