"""Names of the parameters of whole CLIP models in Hugging Face's files and in OpenCLIP's.

A file holds both towers, a projection after each, and learned scalars. The blocks of both towers
have the same names but for a prefix, which OpenCLIP's tower of texts does not have: `landmark` of a
table tells the towers apart. OpenAI's own files have OpenCLIP's names.

Source: transformers' modeling_clip, OpenCLIP's transformer and model; names alone.
"""

from jcl.weights.rules import DENSE, Layout, Rule, Table, dense, joined_attention, norm, patches

_HUGGING_FACE, _OPEN_CLIP = "Hugging Face's CLIP", "OpenCLIP"
_BLOCK = r"block(\d+)"


def _hugging_face_blocks() -> tuple[Rule, ...]:
    layer = "encoder.layers.{1}"
    attention = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "out_proj"}
    return (
        *norm(f"{_BLOCK}/attention_norm", f"{layer}.layer_norm1"),
        *(
            rule
            for ours, theirs in attention.items()
            for rule in dense(f"{_BLOCK}/attention/{ours}", f"{layer}.self_attn.{theirs}")
        ),
        *norm(f"{_BLOCK}/mlp_norm", f"{layer}.layer_norm2"),
        *dense(f"{_BLOCK}/mlp_hidden", f"{layer}.mlp.fc1"),
        *dense(f"{_BLOCK}/mlp_output", f"{layer}.mlp.fc2"),
    )


def _open_clip_blocks() -> tuple[Rule, ...]:
    block = "transformer.resblocks.{1}"
    attention = f"{block}.attn.in_proj"
    return (
        *norm(f"{_BLOCK}/attention_norm", f"{block}.ln_1"),
        *joined_attention(f"{_BLOCK}/attention", f"{attention}_weight", f"{attention}_bias"),
        *dense(f"{_BLOCK}/attention/output", f"{block}.attn.out_proj"),
        Rule(f"{_BLOCK}/attention_scale", f"{block}.ls_1.gamma"),
        *norm(f"{_BLOCK}/mlp_norm", f"{block}.ln_2"),
        *dense(f"{_BLOCK}/mlp_hidden", f"{block}.mlp.c_fc"),
        *dense(f"{_BLOCK}/mlp_output", f"{block}.mlp.c_proj"),
        Rule(f"{_BLOCK}/mlp_scale", f"{block}.ls_2.gamma"),
    )


HUGGING_FACE_TEXTS = Table(
    _HUGGING_FACE,
    (
        Rule("token_embedding/embedding", "embeddings.token_embedding.weight"),
        Rule("position_embedding", "embeddings.position_embedding.weight"),
        *_hugging_face_blocks(),
        *norm("final_norm", "final_layer_norm"),
    ),
    ignored=(r"embeddings\.position_ids",),
    prefix="text_model.",
    landmark="embeddings.token_embedding.weight",
)

OPEN_CLIP_TEXTS = Table(
    _OPEN_CLIP,
    (
        Rule("token_embedding/embedding", "token_embedding.weight"),
        Rule("position_embedding", "positional_embedding"),
        *_open_clip_blocks(),
        *norm("final_norm", "ln_final"),
    ),
    # The tower of images, what follows the towers, and numbers in OpenAI's own files.
    ignored=(
        r"visual\..*",
        r"text_projection(\..*)?",
        r"logit_(scale|bias)",
        r"attn_mask|input_resolution|context_length|vocab_size",
    ),
    landmark="token_embedding.weight",
)


def hugging_face_images(patch_size: int) -> Table:
    """Hugging Face's names of the tower of images, a ViT."""
    layout = patches(patch_size)
    return Table(
        _HUGGING_FACE,
        (
            Rule("class_token", "embeddings.class_embedding"),
            Rule("position_embedding", "embeddings.position_embedding.weight"),
            Rule("patch_embedding/kernel", "embeddings.patch_embedding.weight", layout),
            *norm("pre_norm", "pre_layrnorm"),  # so they spell it
            *_hugging_face_blocks(),
            *norm("final_norm", "post_layernorm"),
        ),
        ignored=(r"embeddings\.position_ids",),
        options=(
            (r".*pre_layrnorm\..*", "encoder.pre_norm=True"),
            (r".*class_embedding", "encoder.pooling=cls"),
            (r".*position_embedding\.weight", "encoder.positions=learned"),
        ),
        prefix="vision_model.",
        landmark="embeddings.patch_embedding.weight",
    )


def open_clip_images(patch_size: int) -> Table:
    """OpenCLIP's names of the tower of images, a ViT."""
    return Table(
        _OPEN_CLIP,
        (
            Rule("class_token", "class_embedding"),
            Rule("position_embedding", "positional_embedding"),
            Rule("patch_embedding/kernel", "conv1.weight", patches(patch_size)),
            *norm("pre_norm", "ln_pre"),
            *_open_clip_blocks(),
            *norm("final_norm", "ln_post"),
        ),
        ignored=("proj",),
        options=(
            (r".*ls_\d\.gamma", "encoder.layer_scale=1e-5"),
            (r".*ln_pre\..*", "encoder.pre_norm=True"),
            (r".*class_embedding", "encoder.pooling=cls"),
            (r".*positional_embedding", "encoder.positions=learned"),
        ),
        prefix="visual.",
        landmark="conv1.weight",
    )


def projections(kind: str) -> tuple[Table, Table]:
    """Both libraries' names of the matrix after a tower, of which OpenCLIP's is [in, out].

    Args:
        kind: "visual" or "text".
    """
    name = f"{kind}_projection"
    # A bias, which few models have, is not left out in silence.
    ignored = (rf"(?!{name}\.bias$).*",)
    kernel, open_clip = "dense0/kernel", {"visual": "visual.proj", "text": name}[kind]
    return (
        Table(_HUGGING_FACE, (Rule(kernel, f"{name}.weight", DENSE),), ignored=ignored),
        Table(_OPEN_CLIP, (Rule(kernel, open_clip),), ignored=ignored),
    )


def scalar(ours: str, theirs: str) -> Table:
    """A learned scalar, which has the same name in both; some files have it as an array [1]."""
    layout = Layout(lambda x: x, lambda x: x.reshape(()))
    return Table(
        f"{_HUGGING_FACE} or {_OPEN_CLIP}", (Rule(ours, theirs, layout),), ignored=(r".*",)
    )
