"""PamC on the generated `shapes`: the sums of 32 clusters are the negatives.

Method: Kulatilleke et al. 2022, "Efficient block contrastive learning via parameter-free meta-node
    approximation". The paper clusters the nodes of graphs, whose positives are neighbours; that an
    image's neighbour is its other view is our reading. Its data sets of graphs have no config here.
Command: python -m jcl.train --config=configs/pamc_shapes.py --workdir=runs/pamc_shapes
    Other numbers of clusters: :clusters=8. What a step of a large batch costs beside NT-Xent:
    :batch=8192,steps=6 and --config.method.name=simclr
Expected time: 1,200 steps take 43 seconds with another run beside it on 2 CPU cores.
Expected score: kNN top-1 18.2 ± 1.4 after 1,200 steps: it collapses. Untrained encoders have 26 to
    28, SimCLR 57.7 ± 9.3 (docs/demonstrations.md, 3 seeds).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, steps: int = 1500, clusters: int = 32):
    given = config_lib.arguments(arguments, batch=batch, steps=steps, clusters=clusters)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_steps = given["steps"]
    config.data = dict(name="shapes")
    config.views = dict(name="shapes")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.method = dict(name="pamc", scale=5.0, clusters=given["clusters"])
    config.optimizer = dict(
        name="adamw",
        learning_rate=3e-3,
        warmup_steps=min(150, given["steps"] // 2),
        weight_decay=1e-4,
    )
    config.checkpoint = dict(every_steps=500)
    return config
