"""MoCHi on ImageNet with a ResNet-50: MoCo v2 and mixtures of its hardest negatives.

Method: Kalantidis et al. 2020, "Hard Negative Mixing for Contrastive Learning", in the setting of
    MoCo v2 (configs/moco_v2_imagenet.py has the table of what differs there).
                  paper                            ours
    mixtures      (N, s, s') = (1024, 1024, 128),  (1024, 1024, 128)
                  (512, 1024, 512), (256, 512, 0)
    start         15 of 200 epochs, 10 of 100      15
    code          none was released                ours
Command: python -m jcl.train --config=configs/mochi_imagenet.py --workdir=runs/mochi_imagenet
Expected time: not measured here; more than MoCo v2, which was published with 53 h on 8 V100.
Expected score: linear top-1 67.6 to 68.0 after 200 epochs, where their MoCo v2 has 67.9, and 57.5
    AP for 57.0 where a detector is trained on VOC (as published). Not measured here.
"""

from configs import moco_v2_imagenet


def get_config(arguments: str = ""):
    config = moco_v2_imagenet.get_config(arguments)
    config.method = dict(
        name="mochi",
        temperature=0.2,
        decay=0.999,
        queue_size=65536,
        hardest=1024,
        mixed=1024,
        mixed_with_query=128,
        start_epochs=15.0,
    )
    return config
