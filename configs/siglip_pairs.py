"""SigLIP on pairs of a small image and token ids, from an archive.

Method: Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", on small networks;
    temperature 0.1 and bias -10 at first, as there.
Data: an .npz archive, as configs/clip_pairs.py says; its toy is made by
    python -c "from tests.pairs import write_pairs; write_pairs('data/pairs.npz')"
Command:
    python -m jcl.train --config=configs/siglip_pairs.py:path=data/pairs.npz \
        --workdir=runs/siglip_pairs
    python -m jcl.evaluate --workdir=runs/siglip_pairs
Expected time: not measured.
Expected score: not measured.
"""

from configs import clip_pairs


def get_config(arguments: str = ""):
    config = clip_pairs.get_config(arguments)
    config.method = dict(name="siglip", temperature=0.1, bias=-10.0)
    return config
