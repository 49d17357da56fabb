"""SigLIP on pairs of a small image and token ids, from an archive.

Method: Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", on small networks;
    temperature 0.1 and bias -10 at first, as there.
Data: an .npz archive, as configs/clip_pairs.py says; its toy is made by
    python -c "from tests.pairs import write_pairs; write_pairs('data/pairs.npz')"
Command:
    python -m jcl.train --config=configs/siglip_pairs.py:path=data/pairs.npz \
        --workdir=runs/siglip_pairs
    python -m jcl.evaluate --workdir=runs/siglip_pairs
Expected time: of the toy, 80 seconds with compilation, on 2 CPU cores with eight other jobs beside
    it.
Expected score: of the toy, one seed, among its 128 test pairs: image to text recall@1 63.3 and
    recall@5 100, text to image 59.4 and 99.2 (chance is 0.8 and 3.9). kNN top-1 of the shape 63.3,
    linear 84.9 (untrained 77.3 and 81.2).
"""

from configs import clip_pairs


def get_config(arguments: str = ""):
    config = clip_pairs.get_config(arguments)
    config.method = dict(name="siglip", temperature=0.1, bias=-10.0)
    return config
