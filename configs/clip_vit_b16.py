"""CLIP with a ViT-B/16 at the paper's batch, for your own pairs.

Method: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language
    Supervision", sections 2.4 and 2.5, Tables 18 to 20; 12,800,000,000 pairs are seen.
                  paper                     ours
    data          400 million, not public   your own
    views         a random square crop      a crop of at least 0.9
Data: captioned images that `python -m jcl.data.prepare --pairs` has written as `name`; with CLIP's
    tokenizer, --config.data.tokenizer=bpe_simple_vocab_16e6.txt.gz, which open_clip has.
Command:
    python -m jcl.train --config=configs/clip_vit_b16.py --workdir=runs/clip
    Without data, what a step costs on a pod: --compile_only --topology=tpu:v5e:16x16
Expected time: docs/plan.md has what a step costs. Not measured here.
Expected score: the paper's zero-shot top-1 on ImageNet is 68.6 (Table 11). Not measured here.
"""

from jcl import config as config_lib


def get_config(
    arguments: str = "", *, name: str = "pairs", batch: int = 32_768, pairs: int = 12_800_000_000
):
    given = config_lib.arguments(arguments, name=name, batch=batch, pairs=pairs)
    config = config_lib.base()
    config.batch_size = given["batch"]
    config.total_steps = given["pairs"] // given["batch"]
    config.precision = "bfloat16"
    config.data = dict(name=f"tfds:{given['name']}", dir="data", image_size=224, text_length=77)
    config.views = dict(name="image_and_text", min_area=0.9)
    config.encoder = dict(
        name="vit_b",
        patch_size=16,
        positions="learned",
        pre_norm=True,
        activation="quick_gelu",
        epsilon=1e-5,
        mean=(0.48145466, 0.4578275, 0.40821073),
        std=(0.26862954, 0.26130258, 0.27577711),
    )
    config.text_encoder = dict(name="clip_text", width=512, depth=12, heads=8)
    config.projector = dict(name="mlp", layers=1, output_dim=512, output_bias=False)
    # As wide as the projector.
    config.text_projector = dict(name="mlp", layers=1, output_bias=False)
    config.method = dict(name="clip", temperature=0.07)
    config.optimizer = dict(
        name="adamw", learning_rate=5e-4, warmup_steps=2000, weight_decay=0.2, beta2=0.98
    )
    config.checkpoint = dict(every_steps=1000)
    return config
