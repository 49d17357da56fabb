"""SepCLR on shapes over textures, of which half have no shape; or SimCLR, which mixes the two.

Method: Louiset et al. 2024, "Separating common from salient patterns with Contrastive
    Representation Learning". The paper has no such data.
Data: generated, "textured" of docs/variants.md. The textures are common, and the shapes salient.
Command: python -m jcl.train --config=configs/sepclr_textured.py --workdir=runs/sepclr
    python -m jcl.evaluate --workdir=runs/sepclr --config.probe.label=texture
    SimCLR: --config=configs/sepclr_textured.py:method=simclr
Expected time: 1,000 steps take 31 seconds with another run beside it on 2 CPU cores.
Expected score: kNN top-1 of shapes by the salient head 24.6 ± 1.6 after 1,000 steps, SimCLR's
    projection 45.6 ± 0.5 (docs/demonstrations.md, 3 seeds).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, method: str = "sepclr", epochs: float = 7.0):
    given = config_lib.arguments(arguments, method=method, epochs=epochs)
    config = config_lib.base()
    config.batch_size = 64
    config.total_epochs = given["epochs"]
    config.data = dict(name="textured")
    config.views = dict(name="shapes")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.projector = dict(name="mlp", hidden_dim=128, output_dim=32)
    config.method = dict(name=given["method"])
    outputs = ("features", "projection")
    if given["method"] == "sepclr":
        outputs += ("salient",)
    else:
        config.method.temperature = 0.2
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.probe = dict(outputs=outputs, baselines=False, linear_seeds=1, shares=())
    return config
