"""Names of a ViT's parameters in timm and DINOv2's own files, and in Hugging Face's files.

Source: timm's vision_transformer, facebookresearch/dinov2's, transformers' modeling_vit and
modeling_dinov2_with_registers; names alone.
"""

from jcl.weights.rules import (
    Rule,
    Table,
    dense,
    joined_attention,
    norm,
    patches,
    with_axes_of_one,
)

_BLOCK = r"block(\d+)"
_OPTIONS = (
    (r".*(ls\d\.gamma|layer_scale\d\.lambda1)", "encoder.layer_scale=1e-5"),
    (r".*(reg_token|register_tokens)", "encoder.registers=N, of which the file says how many"),
    (r".*norm_pre\..*", "encoder.pre_norm=True"),
    (r".*(cls_token|class_token)", "encoder.pooling=cls"),
    (r".*(pos_embed|position_embeddings)", "encoder.positions=learned"),
)


def timm(patch_size: int) -> Table:
    """Timm's names, which DINOv2's own files share but for the registers' (`dinov2`)."""
    block = "blocks.{1}"
    return Table(
        "timm's ViT",
        (
            Rule("class_token", "cls_token", with_axes_of_one(2)),
            Rule("registers", "reg_token", with_axes_of_one(1)),
            Rule("position_embedding", "pos_embed", with_axes_of_one(1)),
            Rule("patch_embedding/kernel", "patch_embed.proj.weight", patches(patch_size)),
            Rule("patch_embedding/bias", "patch_embed.proj.bias"),
            *norm("pre_norm", "norm_pre"),
            *norm(f"{_BLOCK}/attention_norm", f"{block}.norm1"),
            *joined_attention(
                f"{_BLOCK}/attention", f"{block}.attn.qkv.weight", f"{block}.attn.qkv.bias"
            ),
            *dense(f"{_BLOCK}/attention/output", f"{block}.attn.proj"),
            Rule(f"{_BLOCK}/attention_scale", f"{block}.ls1.gamma"),
            *norm(f"{_BLOCK}/mlp_norm", f"{block}.norm2"),
            *dense(f"{_BLOCK}/mlp_hidden", f"{block}.mlp.fc1"),
            *dense(f"{_BLOCK}/mlp_output", f"{block}.mlp.fc2"),
            Rule(f"{_BLOCK}/mlp_scale", f"{block}.ls2.gamma"),
            *norm("final_norm", "norm"),
        ),
        ignored=(r"head(_drop)?\..*", "mask_token"),
        options=_OPTIONS,
    )


def dinov2(patch_size: int) -> Table:
    """The names of DINOv2's own files: timm's, but for the registers'."""
    table = timm(patch_size)
    registers = Rule("registers", "register_tokens", with_axes_of_one(1))
    return Table("DINOv2", (registers, *table.rules), table.ignored, table.options)


def hugging_face(patch_size: int) -> Table:
    """Hugging Face's names of ViT, without layer scales and registers."""
    layer = "encoder.layer.{1}"
    return Table(
        "Hugging Face's ViT",
        (
            *_embeddings(patch_size),
            *norm(f"{_BLOCK}/attention_norm", f"{layer}.layernorm_before"),
            *_attention(layer),
            *norm(f"{_BLOCK}/mlp_norm", f"{layer}.layernorm_after"),
            *dense(f"{_BLOCK}/mlp_hidden", f"{layer}.intermediate.dense"),
            *dense(f"{_BLOCK}/mlp_output", f"{layer}.output.dense"),
            *norm("final_norm", "layernorm"),
        ),
        ignored=(r"classifier\..*", r"pooler\..*", r"embeddings\.mask_token"),
        options=_OPTIONS,
    )


def hugging_face_dinov2(patch_size: int) -> Table:
    """Hugging Face's names of DINOv2, with registers or without."""
    layer = "encoder.layer.{1}"
    return Table(
        "Hugging Face's DINOv2",
        (
            *_embeddings(patch_size),
            *norm(f"{_BLOCK}/attention_norm", f"{layer}.norm1"),
            *_attention(layer),
            Rule(f"{_BLOCK}/attention_scale", f"{layer}.layer_scale1.lambda1"),
            *norm(f"{_BLOCK}/mlp_norm", f"{layer}.norm2"),
            *dense(f"{_BLOCK}/mlp_hidden", f"{layer}.mlp.fc1"),
            *dense(f"{_BLOCK}/mlp_output", f"{layer}.mlp.fc2"),
            Rule(f"{_BLOCK}/mlp_scale", f"{layer}.layer_scale2.lambda1"),
            *norm("final_norm", "layernorm"),
        ),
        ignored=(r"classifier\..*", r"embeddings\.mask_token"),
        options=_OPTIONS,
    )


def _embeddings(patch_size: int) -> tuple[Rule, ...]:
    projection = "embeddings.patch_embeddings.projection"
    return (
        Rule("class_token", "embeddings.cls_token", with_axes_of_one(2)),
        Rule("registers", "embeddings.register_tokens", with_axes_of_one(1)),
        Rule("position_embedding", "embeddings.position_embeddings", with_axes_of_one(1)),
        Rule("patch_embedding/kernel", f"{projection}.weight", patches(patch_size)),
        Rule("patch_embedding/bias", f"{projection}.bias"),
    )


def _attention(layer: str) -> tuple[Rule, ...]:
    return (
        *(
            rule
            for name in ("query", "key", "value")
            for rule in dense(f"{_BLOCK}/attention/{name}", f"{layer}.attention.attention.{name}")
        ),
        *dense(f"{_BLOCK}/attention/output", f"{layer}.attention.output.dense"),
    )
