"""LiT on pairs of a small image and token ids: CLIP with the image encoder of another run, locked.

Method: Zhai et al. 2022, "LiT: Zero-Shot Transfer with Locked-image text Tuning". Of the image
    encoder only the projector is trained, and the whole text tower. The convnet's BatchNorm goes on
    with the statistics of the batch, which the paper's ViT has none of.
Data: an .npz archive, as configs/clip_pairs.py says; its toy is made by
    python -c "from tests.pairs import write_pairs; write_pairs('data/pairs.npz')"
Command: any run whose encoder has the config's own widths will do for `image_run`; here one that
    learns from the toy's images alone:
    python -m jcl.train --config=configs/clip_pairs.py:path=data/pairs.npz --workdir=runs/images \
        --config.method.name=simclr --config.views.name=crop_light
    python -m jcl.train --config=configs/lit_pairs.py:path=data/pairs.npz,image_run=runs/images \
        --workdir=runs/lit_pairs
    python -m jcl.evaluate --workdir=runs/lit_pairs
Expected time: not measured.
Expected score: not measured.
"""

from configs import clip_pairs
from jcl import config as config_lib


def get_config(
    arguments: str = "",
    *,
    path: str = "data/pairs.npz",
    image_run: str = "runs/images",
    vocabulary: int = 64,
    batch: int = 128,
    epochs: float = 10.0,
):
    own = dict(path=path, vocabulary=vocabulary, batch=batch, epochs=epochs)
    given = config_lib.arguments(arguments, image_run=image_run, **own)
    image_run = given.pop("image_run")
    config = clip_pairs.get_config(**given)
    config.init_from = (("encoder", image_run),)
    config.optimizer.groups = (("encoder", None),)
    return config
