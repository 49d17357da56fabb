"""SimCLR with batch styles: photographs of clothes in three styles, probed in a fourth.

Method: Scalbert et al. 2023, "Towards domain-invariant Self-Supervised Learning with Batch Styles
    Standardization": a change of the views (`views.name="batch_styles"`), here under SimCLR's loss.
    The control is the same recipe without styles: --config.views.min_ratio=0
    --config.views.max_ratio=0. The paper's data, PACS and DomainNet, have no config here: the first
    is not in TFDS, and there each domain of the second is a dataset of its own, of which
    `jcl.data.prepare --also` joins two only.
Data: 10,000 images of Fashion-MNIST, each plain, with a colour cast or with a gradient; the 2,000
    test images are of low contrast, which no training image is:
    python -m jcl.data.prepare --idx=/usr/share/datasets/fashion-mnist --train_examples=10000
        --test_examples=2000 --styles=contrast --name=fashion_styles --data_dir=data
Command: python -m jcl.train --config=configs/bss_styles.py --workdir=runs/bss_styles
Expected time: 40 seconds of steps for 850 steps, beside another run on 2 CPU cores.
Expected score: linear top-1 68.7 +- 2.3 after 850 steps, 45.5 +- 4.4 of the control
    (docs/demonstrations.md).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, epochs: float = 13.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="arrays:data/fashion_styles.npz")
    config.views = dict(name="batch_styles", min_area=0.3, strength=0.5, blur=0.0)
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.method = dict(name="simclr", temperature=0.2)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
