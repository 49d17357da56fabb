"""CVRL on the generated `moving`: two clips of a video, which are changed as one thing.

Method: Qian et al. 2021, "Spatiotemporal Contrastive Video Representation Learning": SimCLR of two
    clips whose distance in time is random, here with a small encoder that sees four frames at once.
    There is no config for Kinetics-400, where the paper trains: jcl has neither its encoder, a 3D
    ResNet, nor a source that reads videos from disk.
Command: python -m jcl.train --config=configs/cvrl_moving.py --workdir=runs/cvrl_moving
    The motion in place of the shape:
    python -m jcl.evaluate --workdir=runs/cvrl_moving --config.probe.label=motion
    Blind to the order of frames: --config.encoder.name=convnet_frame_mean
Expected time: 43 seconds of steps for 700 steps, beside another run on 2 CPU cores; 126 seconds
    of the encoder that is blind to the order.
Expected score: of the motion, linear top-1 96.6 +- 5.4 after 700 steps, 74.2 +- 1.5 of the blind
    encoder (docs/demonstrations.md).
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 64, epochs: float = 25.0):
    given = config_lib.arguments(arguments, batch=batch, epochs=epochs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name="moving", train_examples=5_000, test_examples=1_000)
    config.views = dict(name="shapes_two_clips", frames=4, stride=1)
    config.encoder = dict(name="convnet_frame_stack", widths=(16, 32, 64, 128))
    config.method = dict(name="simclr", temperature=0.1)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-4)
    config.checkpoint = dict(every_steps=500)
    return config
