"""Files of whole CLIP models: each tower takes its own, under the names of either library."""

import numpy as np
import pytest

from jcl.errors import UserError
from jcl.methods.clip import CLIP
from jcl.models.projector import MLP
from jcl.models.text.clip_text import CLIPText
from jcl.models.vit import ViT
from jcl.weights.read import under_our_names
from jcl.weights.tables import tables_by_section
from tests.weights.test_tables import HEADS, NETWORKS, OF_CLIP, TEXTS, drawn, shapes_of

HUGGING_FACE, OPEN_CLIP = "Hugging Face's CLIP", "OpenCLIP"
# The towers are of one width and depth.
SECTIONS = {
    "encoder": OF_CLIP,
    "projector": "visual projection",
    "text_encoder": "clip",
    "text_projector": "text projection",
}
LINEAR = HEADS["visual projection"][0]
TABLES = tables_by_section(CLIP(NETWORKS[OF_CLIP], LINEAR, TEXTS["clip"], LINEAR))
# What files have besides.
MORE = {
    HUGGING_FACE: {
        "text_model.embeddings.position_ids": np.arange(6)[None],
        "vision_model.embeddings.position_ids": np.arange(17)[None],
    },
    OPEN_CLIP: {"attn_mask": np.zeros((6, 6)), "context_length": np.array(6)},
}


def ours_of(section):
    """Drawn arrays, of which no two sections share one."""
    shift = np.float32(100 * list(SECTIONS).index(section))
    return {name: array + shift for name, array in drawn(SECTIONS[section]).items()}


def table_of(section, library):
    return next(table for table in TABLES[section] if table.library == library)


def whole_file(library):
    file = {"logit_scale": np.array(1.5), **MORE[library]}
    for section in SECTIONS:
        file |= table_of(section, library).to_theirs(ours_of(section))
    return file


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("library", [HUGGING_FACE, OPEN_CLIP])
def test_every_part_of_a_whole_file_takes_its_own(library, prefix):
    file = {prefix + name: array for name, array in whole_file(library).items()}
    for section in SECTIONS:
        ours = ours_of(section)
        found = under_our_names(file, shapes_of(ours), TABLES[section], "w")
        assert found.keys() == ours.keys()
        for name in ours:
            np.testing.assert_array_equal(found[name], ours[name], err_msg=f"{section}/{name}")


@pytest.mark.parametrize(
    ("section", "library", "missing"),
    [
        ("text_encoder", HUGGING_FACE, "text_model.encoder.layers.1.layer_norm1.weight"),
        ("encoder", HUGGING_FACE, "vision_model.encoder.layers.1.layer_norm1.weight"),
        ("text_encoder", OPEN_CLIP, "transformer.resblocks.1.ln_1.weight"),
        ("encoder", OPEN_CLIP, "visual.transformer.resblocks.1.ln_1.weight"),
    ],
)
def test_a_shallow_tower_is_not_taken_for_the_deeper_one(section, library, missing):
    """Though more of the names are those of the other tower."""
    start = missing.partition("1.")[0] + "1."
    file = {k: v for k, v in whole_file(library).items() if not k.startswith(start)}
    ours = ours_of(section)
    with pytest.raises(UserError) as caught:
        under_our_names(file, shapes_of(ours), TABLES[section], "w")
    said = str(caught.value)
    assert f" {missing} (for block1/attention_norm/scale)" in said
    assert "extra there" not in said


def test_a_file_of_the_other_tower_alone_is_refused():
    for library in (HUGGING_FACE, OPEN_CLIP):
        for section, other in (("encoder", "text_encoder"), ("text_encoder", "encoder")):
            file = table_of(other, library).to_theirs(ours_of(other))
            with pytest.raises(UserError, match=r"which are no names of .*Hugging Face's CLIP or"):
                under_our_names(file, shapes_of(ours_of(section)), TABLES[section], "w")


def test_names_and_layouts_as_published_files_have_them():
    hugging_face, open_clip = whole_file(HUGGING_FACE), whole_file(OPEN_CLIP)
    published = {
        "vision_model.embeddings.class_embedding": (8,),
        "vision_model.embeddings.patch_embedding.weight": (8, 3, 4, 4),
        "vision_model.embeddings.position_embedding.weight": (17, 8),
        "vision_model.pre_layrnorm.weight": (8,),
        "vision_model.encoder.layers.1.self_attn.q_proj.weight": (8, 8),
        "vision_model.post_layernorm.bias": (8,),
        "visual_projection.weight": (5, 4),
        "text_projection.weight": (5, 4),
    }
    assert {name: hugging_face[name].shape for name in published} == published
    published = {
        "visual.class_embedding": (8,),
        "visual.conv1.weight": (8, 3, 4, 4),
        "visual.positional_embedding": (17, 8),
        "visual.ln_pre.weight": (8,),
        "visual.transformer.resblocks.1.attn.in_proj_weight": (24, 8),
        "visual.transformer.resblocks.1.attn.in_proj_bias": (24,),
        "visual.transformer.resblocks.1.attn.out_proj.weight": (8, 8),
        "visual.transformer.resblocks.1.mlp.c_fc.weight": (32, 8),
        "visual.ln_post.bias": (8,),
        "visual.proj": (4, 5),
        "token_embedding.weight": (11, 8),
        "positional_embedding": (6, 8),
        "transformer.resblocks.1.mlp.c_proj.weight": (8, 32),
        "ln_final.weight": (8,),
        "text_projection": (4, 5),
    }
    assert {name: open_clip[name].shape for name in published} == published


@pytest.mark.parametrize("library", [HUGGING_FACE, OPEN_CLIP])
def test_options_that_the_weights_need_are_named(library):
    other = ViT(patch_size=4, width=8, depth=2, heads=2, pooling="mean")
    ours = {
        name: array
        for name, array in ours_of("encoder").items()
        if name not in ("class_token", "position_embedding") and "pre_norm" not in name
    }
    tables = tables_by_section(CLIP(other, MLP(), CLIPText(11), MLP()))["encoder"]
    with pytest.raises(UserError) as caught:
        under_our_names(whole_file(library), shapes_of(ours), tables, "w")
    for option in ("encoder.pre_norm=True", "encoder.pooling=cls", "encoder.positions=learned"):
        assert option in str(caught.value)


def test_a_projection_with_a_bias_is_refused():
    """As OpenCLIP has it where `proj_bias` is true."""
    file = {"text.text_projection.weight": np.ones((5, 4)), "text.text_projection.bias": np.ones(5)}
    with pytest.raises(UserError, match=r"1 extra there: text\.text_projection\.bias"):
        under_our_names(file, {"dense0/kernel": (4, 5)}, TABLES["text_projector"], "w")


@pytest.mark.parametrize("shape", [(), (1,)])
def test_learned_scalars(shape):
    file = {"logit_scale": np.full(shape, 3.5), "logit_bias": np.full(shape, -9.0), "x": np.ones(2)}
    for ours, expected in (("log_scale", 3.5), ("logit_bias", -9.0)):
        assert under_our_names(file, {ours: ()}, TABLES[ours], "w")[ours] == expected
    with pytest.raises(UserError, match=r"1 of another shape: logit_scale \(2,\)"):
        under_our_names({"logit_scale": np.ones(2)}, {"log_scale": ()}, TABLES["log_scale"], "w")


def test_a_network_that_is_there_twice_is_refused():
    ours = ours_of("encoder")
    once = table_of("encoder", OPEN_CLIP).to_theirs(ours)
    twice = {f"{who}.{k}": array for who in ("student", "teacher") for k, array in once.items()}
    message = r"w holds this network 2 times, with names that begin with 'student\.visual\.' or"
    with pytest.raises(UserError, match=message):
        under_our_names(twice, shapes_of(ours), TABLES["encoder"], "w")
