"""SupReMix on `shapes`: how round are the corners of a shape, from 0 to 1.

Method: Wu et al. 2023, "Mixup Your Own Pairs". Bins and window are a hundredth and a twentieth of
    the target's range, as with ages in years; its weights by distance are between 1 and 2 here.
Command: python -m jcl.train --config=configs/supremix_shapes.py --workdir=runs/supremix_shapes
Expected time: 3 to 4 minutes of steps on 2 CPU cores.
Expected score: not measured.
"""

from configs import simclr_shapes


def get_config(arguments: str = ""):
    config = simclr_shapes.get_config(arguments)
    config.method.name = "supremix"
    config.method.temperature = 0.5
    config.method.bin_width = 0.01
    config.method.window = 0.05
    config.probe.target_bin = 0.01
    return config
