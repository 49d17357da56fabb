"""SepCLR on photographs of CIFAR-10, over half of which lies a digit of MNIST.

Method: Louiset et al. 2024, "Separating common from salient patterns with Contrastive
    Representation Learning"; settings of the authors' code (cifar_mnist/sep_clr_k-jem.py):
                    authors' code                        ours
    encoder         two ResNet-18, one a head, each      one ResNet-18, 512 features
                    with a layer to 32 features
    heads           128, then 32, with BatchNorm         the same
    batch, epochs   512, 250                             the same
    optimizer       Adam 3e-4, constant                  the same rate with a cosine
    views           crops to 24 pixels, area 0.2 to 1,   the same
                    mirror, half of SimCLR's jitter
Data: an .npz archive that jcl has no tool for: train_image uint8 [50000, 32, 32, 3], CIFAR-10 at
    half its brightness, plus in its second half the MNIST digit of the same position, padded by 2
    and at half its brightness; train_label int32, the photograph's class; train_digit int32, 10
    where there is none; train_background bool, True without a digit; and the same with test_, of
    the first 1,000 of each test split.
Command: python -m jcl.train --config=configs/sepclr_mnist_cifar10.py --workdir=runs/sepclr_cifar
    python -m jcl.evaluate --workdir=runs/sepclr_cifar --config.probe.label=digit
Expected time: not reported there, not measured here.
Expected score: not measured here.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 512, epochs: float = 250.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="arrays:data/mnist_cifar10.npz")
    config.views = dict(name="simclr_cifar", size=24, min_area=0.2)
    config.encoder = dict(name="resnet18", stem="cifar")
    config.projector = dict(name="mlp", hidden_dim=128, output_dim=32)
    config.method = dict(name="sepclr")
    config.optimizer = dict(name="adamw", learning_rate=3e-4, weight_decay=0.0)
    config.probe = dict(outputs=("features", "projection", "salient"))
    return config
