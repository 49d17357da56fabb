"""SupReMix on photographs of clothing that were turned: how far is the target, in degrees.

Method: Wu et al. 2023, "Mixup Your Own Pairs". For the baselines set --config.method.name=supcon
    (on targets in bins of a degree), rnc (Rank-N-Contrast), l1 or mse (trained from end to end),
    each at its authors' temperature. One mixture: --config.method.mix_neg=False or mix_pos=False.
Data: 10,000 images of Fashion-MNIST, turned by an angle in +-60 degrees, prepared by `make
    fashion-angle`; --config.data.name=tfds:fashion_angle_imbalanced has few near +60.
Command: python -m jcl.train --config=configs/supremix_fashion_angle.py --workdir=runs/fashion_angle
Expected time: a minute of steps on 2 CPU cores.
Expected score: benchmarks/RESULTS.md, study of regression.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 256, epochs: float = 8.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="tfds:fashion_angle", dir="data")
    config.views = dict(name="crop_light")
    config.encoder = dict(name="convnet", widths=(32, 64, 128))
    config.method = dict(name="supremix", bin_width=1.0)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
