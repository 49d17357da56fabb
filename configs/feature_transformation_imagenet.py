"""Feature transformation on ImageNet with a ResNet-50: MoCo v2 with moved positives and negatives.

Method: Zhu et al. 2021, "Improving Contrastive Learning by Visualizing Feature Transformation", in
    the setting of MoCo v2 (configs/moco_v2_imagenet.py has the table of what differs there).
                  paper                            released code        ours
    queries that  as they are                      extrapolated         extrapolated
    meet the queue
    factors       one a step, or one a dimension   one a step, or one   one a step
                                                   a dimension
Command:
    python -m jcl.train --config=configs/feature_transformation_imagenet.py --workdir=runs/ft
Expected time: not measured here; little more than MoCo v2, which was published with 53 h on 8 V100.
Expected score: linear top-1 69.6 after 200 epochs, where MoCo v2 has 67.5 (released code). Not
    measured here.
"""

from configs import moco_v2_imagenet


def get_config(arguments: str = ""):
    config = moco_v2_imagenet.get_config(arguments)
    config.method = dict(
        name="feature_transformation",
        temperature=0.2,
        decay=0.999,
        queue_size=65536,
        positive_alpha=2.0,
        negative_alpha=1.6,
    )
    return config
