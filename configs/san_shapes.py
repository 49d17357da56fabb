"""SAN on shapes in two styles: labelled plain ones of six classes, and all eight in a gradient.

Method: Zang et al. 2023, "Boosting Novel Category Discovery Over Domains with Soft Contrastive
    Learning and All-in-One Classifier". The controls are SimCLR, which sees both styles and no
    label, and the classifier alone, which sees the source: method=source. The paper starts from a
    ResNet-50 trained on ImageNet and adapts Office-31, Office-Home, VisDA and DomainNet, two
    datasets each; these have no config here, because `jcl.data.prepare --also` joins datasets that
    fit into memory, of images of one size.
Data: the source is made of images of which the target has copies in its own style, and of other
    classes:
    python -m jcl.data.prepare --source=shapes --classes=0,1,2,3,4,5 --style=plain
        --name=shapes_source --data_dir=data
    python -m jcl.data.prepare --source=shapes --style=gradient --also=arrays:data/shapes_source.npz
        --name=shapes_two_styles --data_dir=data
    The test split is of the target.
Command: python -m jcl.train --config=configs/san_shapes.py --workdir=runs/san
    SimCLR: --config=configs/san_shapes.py:method=simclr
Expected time: 1,000 steps take 33 seconds with another run beside it on 2 CPU cores.
Expected score: kNN top-1 55.4 ± 0.8 after 1,000 steps, below SimCLR, 60.5 ± 3.3, and the labelled
    style alone, 68.2 ± 3.5 (docs/demonstrations.md, 3 seeds).
"""

from jcl import config as config_lib
from jcl.errors import UserError


def get_config(arguments: str = "", *, method: str = "san", epochs: float = 4.0):
    given = config_lib.arguments(arguments, method=method, epochs=epochs)
    if given["method"] not in ("san", "source", "simclr"):
        raise UserError(f"method={given['method']} is unknown; known: san, source, simclr")
    config = config_lib.base()
    config.batch_size = 64
    config.total_epochs = given["epochs"]
    config.data = dict(name="arrays:data/shapes_two_styles.npz")
    config.views = dict(name="shapes")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.projector = dict(name="mlp", hidden_dim=256, output_dim=128)
    if given["method"] == "simclr":
        config.method = dict(name="simclr", temperature=0.2)
    else:
        weight = 0.0 if given["method"] == "source" else 0.5
        config.method = dict(name="san", contrast_weight=weight)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.probe = dict(baselines=False, linear_seeds=1, shares=())
    return config
