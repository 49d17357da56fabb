"""SimCLR on photographs that all stand there eight times, and on those that Hash-6 keeps.

Method: Wolf et al. 2024, "Less is More: Selective Reduction of CT Data for Self-Supervised
    Pre-Training of Deep Learning Models with Contrastive Learning Improves Downstream
    Classification Performance": a choice of examples, under any loss. The paper pretrains a
    ResNet-50 by SwAV on slices of CT volumes, which TFDS does not have; here near duplicates are
    made, and the loss is SimCLR's.
Data: 5,000 images of Fashion-MNIST, each eight times, moved by up to a pixel, with some noise:
    python -m jcl.data.prepare --idx=/usr/share/datasets/fashion-mnist --train_examples=5000
        --test_examples=2000 --copies=8 --name=fashion_redundant --data_dir=data
    python -m jcl.data.prepare.distinct --source=tfds:fashion_redundant --data_dir=data
        --out=data/fashion_distinct.npz
Command: python -m jcl.train --config=configs/hash_6_fashion.py --workdir=runs/hash_6
        --config.data.subset=data/fashion_distinct.npz
    Without data.subset it is the baseline. To probe both with the same neighbours: python -m
    jcl.evaluate --workdir=runs/hash_6 --config.data.subset=None
Expected time: 900 steps take 21 seconds with another run beside it on 2 CPU cores.
Expected score: kNN top-1 79.4 ± 0.7 after 900 steps, probed with other photographs; all copies give
    79.6 ± 0.1 (docs/demonstrations.md, 3 seeds).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, steps: int = 1500):
    given = config_lib.arguments(arguments, batch=batch, steps=steps)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_steps = given["steps"]
    config.data = dict(name="tfds:fashion_redundant", dir="data")
    config.views = dict(name="crop_flip_light")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.method = dict(name="simclr", temperature=0.2)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_steps=150, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
