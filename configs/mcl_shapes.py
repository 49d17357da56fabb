"""MCL on shapes of easy colours: what is told apart by colour, and in a second run by outline.

Method: Zhang et al. 2024, "Learning the Unlearned: Mitigating Feature Suppression in Contrastive
    Learning": a run for each stage, under any loss. Stage 1 has batches of one cluster of stage 0's
    features each, so that colour tells no negatives apart. The paper trains CLIP on CC12M, which
    TFDS does not have.
Data: shapes of one hue each, whatever their class; the views `weak` keep colours:
    python -m jcl.data.prepare --source=shapes --class_colour=0 --name=shapes_colour_0
        --data_dir=data
Command: python -m jcl.train --config=configs/mcl_shapes.py --workdir=runs/mcl_shapes0
    python -m jcl.evaluation.groups --workdir=runs/mcl_shapes0 --out=data/mcl_groups1.npz
    python -m jcl.train --config=configs/mcl_shapes.py --workdir=runs/mcl_shapes1
        --config.data.groups=data/mcl_groups1.npz
    python -m jcl.evaluate --workdir=runs/mcl_shapes1 --concatenate=runs/mcl_shapes0
    The classes are outlines. The baseline of a stage is the stage before.
Expected time: 900 steps take 24 seconds with another run beside it on 2 CPU cores.
Expected score: kNN top-1 of outlines 21.6 ± 1.2 in the first run and 21.9 ± 0.3 in the second,
    after 900 steps each (docs/demonstrations.md, 3 seeds).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, steps: int = 1500):
    given = config_lib.arguments(arguments, batch=batch, steps=steps)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_steps = given["steps"]
    config.data = dict(name="arrays:data/shapes_colour_0.npz")
    config.views = dict(name="weak")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.method = dict(name="simclr", temperature=0.2)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_steps=150, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
