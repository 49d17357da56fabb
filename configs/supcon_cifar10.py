"""SupCon on CIFAR-10 with a ResNet-50, as its authors trained it.

Method: Khosla et al. 2020, "Supervised Contrastive Learning"; settings of the authors' code:
    batch 1,024, 1,000 epochs, cosine, temperature 0.1, a head without normalisation.
                  paper, Eq. 2   authors' code            ours
    loss          L_out          L_out times tau / 0.07   L_out
    rate          -              0.5                      0.5 times 0.1 / 0.07
    weight decay  -              1e-4                     1e-4 times 0.07 / 0.1
Command: python -m jcl.train --config=configs/supcon_cifar10.py --workdir=runs/supcon_cifar10
Expected time: not reported there, not measured here.
Expected score: linear top-1 96.0 (SupContrast's table; trained from end to end 95.0, SimCLR 93.6).
    Not measured here.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 1024, epochs: float = 1000.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="tfds:cifar10", image_size=32)
    config.views = dict(name="simclr_cifar")
    config.encoder = dict(name="resnet50", stem="cifar")
    config.projector = dict(name="mlp", hidden_dim=2048, output_dim=128, norm="none")
    config.method = dict(name="supcon", temperature=0.1)
    config.optimizer = dict(
        name="sgd",
        learning_rate=0.5 * 0.1 / 0.07,
        momentum=0.9,
        weight_decay=1e-4 * 0.07 / 0.1,
        warmup_epochs=10.0,
    )
    return config
