"""cMIM on Fashion-MNIST: an auto-encoder without augmentation whose codes are told apart.

Method: Livne 2025, "cMIM: A Contrastive Mutual Information Framework for Unified Generative and
    Discriminative Representation Learning". The formula is that of code which NVIDIA released for
    molecules; what the likelihood of images is, we did not find: a normal distribution of
    deviation 0.1 around the decoder's values is our choice. The paper's sets of handwritten
    characters are as small; networks here are smaller than any of its own.
                  paper       ours
    code          512         64
    temperature   0.1         0.1
    weights       1           1
    views         the image   the image
Data: Debian's package dataset-fashion-mnist, prepared by `make fashion-mnist`.
Command: python -m jcl.train --config=configs/cmim_fashion.py --workdir=runs/cmim_fashion
    MIM, its baseline: --config=configs/cmim_fashion.py:weight=0. Other batches: :batch=512.
    The mean of the code is the output `projection`, the decoder's last hidden layer is `decoder`.
Expected time: 1,200 steps take 19 seconds with another run beside it on 2 CPU cores.
Expected score: linear top-1 of the codes 80.3 ± 0.6 after 1,200 steps on 10,000 images, as without
    the contrastive term, 80.5 ± 0.4 (docs/demonstrations.md, 3 seeds).
"""

from jcl import config as config_lib


def get_config(
    arguments: str = "", *, batch: int = 64, examples: int = 96_000, weight: float = 1.0
):
    given = config_lib.arguments(arguments, batch=batch, examples=examples, weight=weight)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_steps = given["examples"] // given["batch"]
    config.data = dict(name="tfds:fashion_mnist", dir="data")
    config.views = dict(name="none", count=1)
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.decoder = dict(name="mlp", widths=(256, 512))
    config.method = dict(name="cmim", code_dim=64, contrast_weight=given["weight"])
    config.optimizer = dict(name="adamw", learning_rate=1e-3, warmup_epochs=0.1, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    config.probe = dict(outputs=("features", "projection", "decoder"))
    return config
