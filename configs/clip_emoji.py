"""CLIP on emoji: nine styles of drawing, and names with keywords.

Method: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language
    Supervision", on small networks: a convolutional encoder, and a bag of words.
Command:
    make emoji
    python -m jcl.train --config=configs/clip_emoji.py --workdir=runs/clip_emoji
Expected time: 190 seconds of CPU time, all in all; not measured on an idle machine.
Expected score: 217 new symbols (chance recall@5 is 2.3), mean of two seeds and splits: recall@5
    image to text 34.1, text to image within a style 37.7; recall@1 image to image across styles
    50.1. The sampling error is 3 points. Controls without learning, of `python -m
    benchmarks.emoji_controls`: 29.3, 30.7 and 31.1 of pixels, 38.2, 42.0 and 50.3 of gradients and
    colours. kNN top-1 of the group 54.6, linear 56.1 (seed 0; pixels 42.6 and 44.4, untrained 42.8
    and 43.3); zero-shot 16.9, no more than the largest group's share.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, batch: int = 256, steps: int = 800):
    given = config_lib.arguments(arguments, batch=batch, steps=steps)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_steps = given["steps"]
    config.data = dict(
        name="tfds:emoji",
        dir="data",
        image_size=32,
        tokenizer="data/emoji_words.json",
        text_length=32,
    )
    config.views = dict(name="image_and_text", min_area=0.6, deletion=0.3)
    config.encoder = dict(name="convnet", widths=(32, 64, 128, 256))
    config.text_encoder = dict(name="token_bag", width=256, layers=1)
    config.projector = dict(name="mlp", layers=1, output_dim=128, norm="none")
    config.text_projector = dict(name="mlp", layers=1, norm="none")  # as wide as the projector
    config.method = dict(name="clip", temperature=0.07)
    config.optimizer = dict(name="adamw", learning_rate=2e-3, warmup_steps=50, weight_decay=0.1)
    config.checkpoint = dict(every_steps=500)
    config.probe = dict(outputs=("features", "projection"), shares=())
    return config
