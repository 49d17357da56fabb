"""SBCL on photographs of clothes whose classes are long-tailed, 100 to 1.

Method: Hou et al. 2023, "Subclass-balancing Contrastive Learning for Long-tailed Recognition". The
    run is short, so SupCon warms up for two epochs instead of ten, and clusters are made every two;
    a batch is small, so subclasses are of 50 examples and not of 10, about: of the largest class it
    has two or three of each.
Data: of 10,000 images of Fashion-MNIST those that a long tail leaves; 2,000 balanced test images:
    python -m jcl.data.prepare --idx=/usr/share/datasets/fashion-mnist --train_examples=10000
        --test_examples=2000 --class_ratio=100 --name=fashion_tail100 --data_dir=data
Command: python -m jcl.train --config=configs/sbcl_fashion_tail.py --workdir=runs/sbcl_fashion_tail
    Its baseline is SupCon: --config.method.name=supcon
Expected time: 450 steps take 20 seconds with another run beside it on 2 CPU cores.
Expected score: balanced kNN 66.4 ± 1.2 after 450 steps, SupCon 65.4 ± 2.5 (docs/demonstrations.md,
    3 seeds).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 128, steps: int = 750):
    given = config_lib.arguments(arguments, batch=batch, steps=steps)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_steps = given["steps"]
    config.data = dict(name="tfds:fashion_tail100", dir="data")
    config.views = dict(name="crop_flip_light")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.method = dict(
        name="sbcl", temperature=0.1, warm_up_epochs=2, recluster_epochs=2, least=50
    )
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_steps=50, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
