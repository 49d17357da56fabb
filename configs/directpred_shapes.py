"""DirectPred on the generated `shapes`: BYOL's small run with a predictor that is computed.

Method: Tian et al. 2021, "Understanding Self-Supervised Learning Dynamics without Contrastive
    Pairs". What the predictor does shows beside two further runs: with a linear predictor that is
    trained, --config.method.name=byol --config.predictor.layers=1, and with none,
    --config.method.epsilon=1e6. A collapse to a point shows in `embedding_spread`, which falls to
    0, and one to a line in `correlation_dimensions`, which falls to 1.
Command: python -m jcl.train --config=configs/directpred_shapes.py --workdir=runs/directpred_shapes
Expected time: Not measured here.
Expected score: it does not learn here: kNN top-1 17.5 of a held-out fifth of the training split,
    seed 0 (untrained encoders have 26 to 28; benchmarks/RESULTS.md). In another run, stopped after
    610 steps, projections fell to a line within the warm-up (`correlation_dimensions` 1.06 at step
    170) and had begun to leave it (1.39 at the end). On photographs kNN
    is 79, from 76 untrained (docs/demonstrations.md).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, epochs: float = 13.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="shapes")
    config.views = dict(name="shapes")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.projector = dict(name="mlp", hidden_dim=256, output_dim=128, output_norm=True)
    config.method = dict(name="directpred", decay=0.96)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
