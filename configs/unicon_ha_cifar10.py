r"""UniCon-HA on one class of CIFAR-10 with a ResNet-18: which photographs show another thing.

Method: Wang et al. 2023, "Unilaterally Aggregated Contrastive Learning with Hierarchical
    Augmentation for Anomaly Detection", section 4. The authors released no code.
                     paper                          ours
    weights, Eq. 6   inside the logarithm           outside (`help(jcl.losses.soft_aggregation)`)
    strengths        in a supplement (not seen)     1/4, 2/4, 3/4 and 4/4 of SimCLR's for CIFAR-10
    stages' weights  in a supplement (not seen)     1 each
    batch            not found                      64 inliers, 512 views a stage
    projector        not found                      512, then 128
    score            largest cosine with a          the same, of the features
                     training feature
Data: one class to train on, all classes to test, for each of the ten classes a run of its own, by
    python -m jcl.data.prepare --source=tfds:cifar10 --inlier_class=0 \
        --name=cifar10_airplanes --data_dir=data
Command: python -m jcl.train --config=configs/unicon_ha_cifar10.py --workdir=runs/unicon_ha_cifar10
Expected time: not reported there, not measured here.
Expected score: AUROC 95.4, mean of the ten classes, as published (there CSI has 94.3, one stage
    alone 95.0, with equal weights 94.8). Not measured here.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, epochs: float = 2048.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="arrays:data/cifar10_airplanes.npz")
    config.views = dict(name="turned")
    config.encoder = dict(name="resnet18", stem="cifar")
    config.projector = dict(name="mlp", hidden_dim=512, output_dim=128)
    config.method = dict(name="unicon_ha", temperature=0.5, weight_temperature=0.5)
    config.optimizer = dict(name="sgd", learning_rate=0.01, momentum=0.9)
    config.checkpoint = dict(every_steps=1000)
    return config
