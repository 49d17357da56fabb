"""AdaInf on `shapes`: 2,000 real images beside 20,000 of a generator that is slightly wrong.

Method: Wang et al. 2024, "Do Generated Data Always Help Contrastive Learning?" (AdaInf): each real
    image counts ten times, and views are changed less. The loss stays SimCLR's. Generated shapes
    are smaller than real ones (benchmarks/generated_shapes.py).
        cell              real images   generated   crop      mixed colours   gray
        real-strong       once          none        0.7 to 1  all             0.3
        vanilla-strong    once          once        the same
        replicated-weak   ten times     once        0.8 to 1  half            0.15
    and vanilla-weak, replicated-strong and real-weak for what either change does alone.
Data: python -m jcl.data.prepare --source=shapes --train_examples=2000 --name=shapes_real
        --data_dir=data
    python -m jcl.data.prepare --source=tfds:shapes_real --name=shapes_vanilla --data_dir=data
        --also=benchmarks.generated_shapes:generated_shapes
    python -m jcl.data.prepare --source=tfds:shapes_real --name=shapes_replicated --data_dir=data
        --also=benchmarks.generated_shapes:generated_shapes --times=10
Command: python -m jcl.train --config=configs/adainf_shapes.py:cell=replicated-weak
        --workdir=runs/adainf_shapes
    To probe all with the same neighbours, the real images: python -m jcl.evaluate
    --workdir=runs/adainf_shapes --config.data.name=tfds:shapes_real --config.data.dir=data
Expected time: 1,200 steps take 37 seconds with another run beside it on 2 CPU cores.
Expected score: kNN top-1 after 1,200 steps: the recipe 49.8 ± 4.4, all images alike 47.2 ± 1.8,
    real images alone 52.2 ± 4.8 (docs/demonstrations.md, 3 seeds).
"""

from jcl import config as config_lib
from jcl.errors import UserError

DATA = {
    "real": "tfds:shapes_real",
    "vanilla": "arrays:{}/shapes_vanilla.npz",
    "replicated": "arrays:{}/shapes_replicated.npz",
}
VIEWS = {"strong": {}, "weak": {"min_area": 0.8, "channel_mix": 0.5, "grayscale": 0.15}}


def get_config(
    arguments: str = "",
    *,
    cell: str = "replicated-weak",
    batch: int = 64,
    steps: int = 1500,
    data: str = "data",
):
    given = config_lib.arguments(arguments, cell=cell, batch=batch, steps=steps, data=data)
    source, _, views = given["cell"].partition("-")
    if source not in DATA or views not in VIEWS:
        raise UserError(
            f"cell={given['cell']} is unknown; {' or '.join(DATA)}, a minus sign, and "
            f"{' or '.join(VIEWS)}"
        )
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_steps = given["steps"]
    config.data = dict(name=DATA[source].format(given["data"]))
    if source == "real":
        config.data.dir = given["data"]
    config.views = dict(name="shapes", **VIEWS[views])
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.method = dict(name="simclr", temperature=0.2)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_steps=150, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
