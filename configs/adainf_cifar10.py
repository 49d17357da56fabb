"""AdaInf on CIFAR-10 with a ResNet-18 and a million generated images.

Method: Wang et al. 2024, "Do Generated Data Always Help Contrastive Learning?" (AdaInf): each real
    image counts ten times beside the generated ones, and views are changed less, for as many steps
    as without generated images.
                  released code                              ours
    crops         at least 0.2 (0.08 without generated)      the same
    colour jitter probability 0.4 (0.8 without), 0.4 each    the same
                  and 0.1 of the hue (0.8 and 0.2 without)
    optimizer     LARS, 0.2 at batch 256                     the same
    steps         100,000                                    the same
    projector     not looked up                              2,048, 128
    weight decay  not looked up                              1e-5
Data: an archive of generated images with labels, such as those of a diffusion model, that holds
    train_image uint8 [n, 32, 32, 3] and train_label, and the same of test, which is not taken:
    python -m jcl.data.prepare --source=tfds:cifar10 --also=arrays:data/generated.npz --times=10
        --name=cifar10_inflated --data_dir=data
Command: python -m jcl.train --config=configs/adainf_cifar10.py --workdir=runs/adainf_cifar10
Expected time: not reported there, not measured here.
Expected score: linear top-1 93.42; 91.38 with one of each and the usual views, 91.56 without
    generated images (the authors' table). Not measured here.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 256, steps: int = 100_000):
    given = config_lib.arguments(arguments, batch=batch, steps=steps)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_steps = given["steps"]
    config.data = dict(name="arrays:data/cifar10_inflated.npz")
    config.views = dict(name="simclr_cifar", min_area=0.2, jitter=0.4)
    config.encoder = dict(name="resnet18", stem="cifar")
    config.projector = dict(name="mlp", hidden_dim=2048, output_dim=128)
    config.method = dict(name="simclr", temperature=0.2)
    config.optimizer = dict(
        name="lars",
        learning_rate=0.2,
        scaling="linear",
        momentum=0.9,
        weight_decay=1e-5,
        warmup_steps=2000,
    )
    config.checkpoint = dict(every_steps=5000)
    return config
