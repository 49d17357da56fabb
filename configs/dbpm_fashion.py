r"""DBPM on pairs of photographs, one in ten of which is bad.

Method: Lan et al. 2024, "Towards Enhancing Time Series Contrastive Learning: A Dynamic Bad Pair
    Mining Approach". The baseline is SimCLR, which counts all pairs alike:
    --config.method.name=simclr
    The paper trains on time series with a 1-D ResNet-34, which jcl does not have, so there is no
    config in its setting. There, pairs are flagged from epoch 50 of 80 on; here after half a run.
Data: 10,000 images of Fashion-MNIST, 5% of them noise and 5% with the partner of another, by
    python -m jcl.data.prepare --idx=/usr/share/datasets/fashion-mnist --train_examples=10000 \
        --test_examples=2000 --planted_noise=0.05 --planted_wrong=0.05 --name=fashion_bad_pairs \
        --data_dir=data
Command: python -m jcl.train --config=configs/dbpm_fashion.py --workdir=runs/dbpm_fashion
Expected time: 900 steps take 25 seconds with another run beside it on 2 CPU cores.
Expected score: 44 % of the bad pairs are flagged after 900 steps, and no good ones: nearly all with
    another's partner, none of noise. kNN top-1 is 80.5 ± 0.6, as SimCLR's, 80.7 ± 0.4
    (docs/demonstrations.md, 3 seeds).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, epochs: float = 6.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="arrays:data/fashion_bad_pairs.npz")
    config.views = dict(name="partners")
    config.encoder = dict(name="convnet", widths=(16, 32, 64, 128))
    config.method = dict(name="dbpm", temperature=0.2, start_epochs=given["epochs"] / 2)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=0.5, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
