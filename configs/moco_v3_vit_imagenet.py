"""MoCo v3 on ImageNet with a ViT-S/16, for 300 epochs.

Method: Chen, Xie & He 2021, "An Empirical Study of Training Self-Supervised Vision Transformers":
    the recipe of configs/simclr_vit_imagenet.py, with momentum copies whose decay goes from 0.99 to
    1, and a predictor with a hidden layer of 4,096.
                  paper and released code   ours
    decayed       biases and norms too      weights
    last norms    without scale and bias    with a scale
    crops         of the photograph         of 256-pixel squares, made on the host
    A ResNet-50 instead: --config.encoder.name=resnet50 --config.frozen='()'
    --config.method.temperature=1 --config.optimizer.name=lars --config.optimizer.learning_rate=0.3
    --config.optimizer.weight_decay=1e-6 --config.optimizer.warmup_epochs=10.
Command:
    python -m jcl.train --config=configs/moco_v3_vit_imagenet.py:batch=4096 --workdir=runs/moco_v3
Expected time: Not measured here. Probes leave out the untrained encoder and raw pixels, which take
    as long as the trained one.
Expected score: linear top-1 73.2 (ViT-S), 76.7 (ViT-B) and 72.8 (ResNet-50) after 300 epochs (the
    authors' code). Not measured here.
"""

from configs import simclr_vit_imagenet


def get_config(arguments: str = ""):
    config = simclr_vit_imagenet.get_config(arguments)
    config.predictor = dict(name="mlp", hidden_dim=4096, output_norm=True)
    config.method = dict(name="moco_v3", temperature=0.2, decay=0.99, decay_end=1.0)
    config.probe = dict(baselines=False)
    return config
