"""SigLIP with a ViT-B/16 at the paper's batch, for your own pairs.

Method: Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", section 4.
                  paper                         ours
    data          WebLI, not public             your own
    tokens        32,000 of a SentencePiece     the run's own BPE of 32,000
    pooling       attention with one query      mean over patches; the last token of a text
    optimizer     AdaFactor, beta2 0.95         AdamW, beta2 0.95
Data: as configs/clip_vit_b16.py has it.
Command:
    python -m jcl.train --config=configs/siglip_vit_b16.py --workdir=runs/siglip
    Without data, what a step costs on a pod: --compile_only --topology=tpu:v5e:16x16
Expected time: docs/plan.md has what a step costs. Not measured here.
Expected score: not measured here.
"""

from configs import clip_vit_b16


def get_config(arguments: str = ""):
    config = clip_vit_b16.get_config(arguments)
    config.data.text_length, config.data.vocabulary = 64, 32_000
    config.encoder = dict(name="vit_b", patch_size=16, positions="learned", pooling="mean")
    config.text_encoder = dict(
        name="clip_text", vocabulary=32_000, width=768, depth=12, heads=12, max_length=64
    )
    config.projector = dict(name="mlp", layers=1, output_dim=768)
    config.text_projector = dict(name="mlp", layers=1)
    config.method = dict(name="siglip", temperature=0.1, bias=-10.0)
    config.optimizer = dict(
        name="adamw", learning_rate=1e-3, warmup_steps=10_000, weight_decay=1e-4, beta2=0.95
    )
    return config
