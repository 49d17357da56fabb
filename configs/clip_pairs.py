"""CLIP on pairs of a small image and token ids, from an archive.

Method: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language
    Supervision", on small networks.
Data: an .npz archive with train_image uint8 [n, H, W, C], train_text integer [n, L] of token ids
    below `vocabulary`, optionally train_text_mask bool [n, L] that is False for padding, and the
    same with test_. This makes a toy, 16-pixel shapes and their names:
    python -c "from tests.pairs import write_pairs; write_pairs('data/pairs.npz')"
Command:
    python -m jcl.train --config=configs/clip_pairs.py:path=data/pairs.npz --workdir=runs/clip_pairs
Expected time: of the toy, half a minute with compilation, on 2 CPU cores with other jobs beside it.
Expected score: of the toy, one seed, recall@1 among its 128 test pairs: image to text 96.9, text to
    image 99.2; of the 32 combinations that training has not, 96.9 and 100 (chance is 0.8). This is
    what tests/methods/test_clip.py measures. kNN top-1 of the shape 81.2, linear 95.3 (untrained
    77.3 and 81.2).
"""

from jcl import config as config_lib


def get_config(
    arguments: str = "",
    *,
    path: str = "data/pairs.npz",
    vocabulary: int = 64,
    batch: int = 128,
    epochs: float = 10.0,
):
    given = config_lib.arguments(
        arguments, path=path, vocabulary=vocabulary, batch=batch, epochs=epochs
    )
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_epochs = given["epochs"]
    config.data = dict(name=f"arrays:{given['path']}")
    config.views = dict(name="image_and_text", min_area=0.9)
    config.encoder = dict(name="convnet", widths=(32, 64, 128))
    config.text_encoder = dict(
        name="token_transformer", vocabulary=given["vocabulary"], width=64, depth=2, heads=4
    )
    config.projector = dict(name="mlp", layers=1, output_dim=64)
    config.text_projector = dict(name="mlp", layers=1)  # as wide as the projector
    config.method = dict(name="clip", temperature=0.07)
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_epochs=1.0, weight_decay=1e-2)
    config.checkpoint = dict(every_steps=200)
    return config
