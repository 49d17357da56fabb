"""SimCLR on ImageNet with a ViT-S/16, trained the way MoCo v3 found to be stable.

Method: NT-Xent (Chen et al. 2020) on the recipe of Chen, Xie & He 2021, "An Empirical Study of
    Training Self-Supervised Vision Transformers": a frozen random patch embedding, fixed
    sine-cosine positions, 12 heads, AdamW at 1.5e-4 B/256, weight decay 0.1, 40 epochs of warm-up,
    BYOL's pair of views with crops of at least 0.2, a three-layer head, temperature 0.2. No
    momentum encoder and no predictor: those are MoCo v3 itself.
                  MoCo v3, paper and code   ours
    decayed       biases and norms too      weights
    last norm     without scale and bias    with a scale
Command:
    python -m jcl.train --config=configs/simclr_vit_imagenet.py:batch=4096 --workdir=runs/vit
Expected time: not known to us for this objective. Not measured here.
Expected score: MoCo v3 reaches linear top-1 73.2 with this encoder in 300 epochs; we have no figure
    for SimCLR from a source we could read. Not measured here.
"""

from configs import simclr_imagenet


def get_config(arguments: str = ""):
    config = simclr_imagenet.get_config(arguments, epochs=300.0)
    config.views = dict(name="byol", min_area=0.2, size=224)
    config.encoder = dict(name="vit_s", patch_size=16, heads=12)
    config.projector = dict(name="mlp", layers=3, hidden_dim=4096, output_dim=256, output_norm=True)
    config.method = dict(name="simclr", temperature=0.2)
    config.optimizer = dict(
        name="adamw",
        learning_rate=1.5e-4,
        scaling="linear",
        weight_decay=0.1,
        warmup_epochs=40.0,
    )
    config.frozen = ("encoder/patch_embedding",)
    return config
