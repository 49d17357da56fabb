"""Names and layouts of other libraries: there and back, and what does not fit is said."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.models.dense_tanh import DenseTanh
from jcl.models.mlp import MLPEncoder
from jcl.models.projector import MLP
from jcl.models.resnet import resnet18, resnet50
from jcl.models.text.bert import BERT
from jcl.models.text.clip_text import CLIPText
from jcl.models.vit import ViT
from jcl.optim.patterns import parameter_name
from jcl.weights.read import read_file, under_our_names
from jcl.weights.tables import tables_of
from jcl.weights.write import write_file

VIT = {"patch_size": 4, "width": 8, "depth": 2, "heads": 2}
NETWORKS = {
    "resnet18": resnet18(stage_sizes=(1, 1), width=4),
    "resnet50": resnet50(stage_sizes=(1, 2), width=4, stem="cifar"),
    "vit": ViT(**VIT, positions="learned"),
    "vit of all options": ViT(
        **VIT, positions="learned", layer_scale=1e-5, registers=3, pre_norm=True
    ),
    "vit of clip": ViT(**VIT, positions="learned", pre_norm=True),
}
WITH_ALL = "vit of all options"
OF_CLIP = "vit of clip"
VIT_TABLES = tables_of(NETWORKS["vit"], "encoder")
TEXT = {"vocabulary": 11, "width": 8, "depth": 2, "heads": 2, "max_length": 6}
TEXTS = {"clip": CLIPText(**TEXT), "bert": BERT(**TEXT)}
HEADS = {
    "pooler": (DenseTanh(), "text_projector"),
    "text projection": (MLP(output_dim=5, layers=1, output_bias=False), "text_projector"),
    "visual projection": (MLP(output_dim=5, layers=1, output_bias=False), "projector"),
}
IDS = {"ids": jnp.zeros((1, 3), jnp.int32), "mask": jnp.ones((1, 3), bool)}


ALL = {
    **{name: (network, jnp.zeros((1, 16, 16, 3))) for name, network in NETWORKS.items()},
    **{name: (network, IDS) for name, network in TEXTS.items()},
    **{name: (network, jnp.zeros((1, 4))) for name, (network, _) in HEADS.items()},
}


@functools.cache
def drawn(name):
    """Every parameter and statistic of a network by its name, all values different."""
    network, inputs = ALL[name]
    variables = jax.eval_shape(lambda: network.init(jax.random.key(0), inputs, train=True))
    leaves = [
        (parameter_name(path), leaf.shape)
        for kind in variables.values()
        for path, leaf in jax.tree_util.tree_leaves_with_path(kind)
    ]
    random = np.random.default_rng(0)
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in leaves}


def shapes_of(arrays):
    return {name: array.shape for name, array in arrays.items()}


# Whose names know all that a network has, of the libraries with ViTs.
TIMM = "timm's ViT", "DINOv2"
FITTING = {
    "vit": (*TIMM, "Hugging Face's ViT", "Hugging Face's DINOv2"),
    WITH_ALL: TIMM,
    OF_CLIP: (*TIMM, "Hugging Face's CLIP", "OpenCLIP"),
}
PAIRS = [
    (name, table)
    for name, network in NETWORKS.items()
    for table in tables_of(network, "encoder")
    if name not in FITTING or table.library in FITTING[name]
]


@pytest.mark.parametrize(("name", "table"), PAIRS, ids=lambda x: getattr(x, "library", x))
def test_there_and_back_through_a_file(name, table, tmp_path):
    ours = drawn(name)
    theirs = table.to_theirs(ours)
    assert sum(a.size for a in theirs.values()) == sum(a.size for a in ours.values())
    write_file(tmp_path / "w.safetensors", {f"module.{k}": v for k, v in theirs.items()})
    read = read_file(tmp_path / "w.safetensors")
    read["module.mask_token"] = read["module.fc.weight"] = np.zeros(1)
    if "ResNet" not in table.library:
        del read["module.fc.weight"]
        if "Hugging" in table.library:
            read["module.embeddings.mask_token"] = read.pop("module.mask_token")
    else:
        del read["module.mask_token"]
        if "Hugging" in table.library:
            read["module.classifier.1.weight"] = read.pop("module.fc.weight")
    found = under_our_names(read, shapes_of(ours), tables_of(NETWORKS[name], "encoder"), "w")
    assert found.keys() == ours.keys()
    for key in ours:
        np.testing.assert_array_equal(found[key], ours[key])


def test_names_as_torchvision_and_timm_have_them():
    resnet = tables_of(NETWORKS["resnet50"], "encoder")[0].to_theirs(drawn("resnet50"))
    assert resnet["layer2.1.conv3.weight"].shape == (32, 8, 1, 1)
    assert resnet["layer2.0.downsample.1.running_var"].shape == (32,)
    vit = tables_of(NETWORKS[WITH_ALL], "encoder")[0].to_theirs(drawn(WITH_ALL))
    assert vit["blocks.1.attn.qkv.weight"].shape == (24, 8)
    assert vit["patch_embed.proj.weight"].shape == (8, 3, 4, 4)
    assert vit["reg_token"].shape == (1, 3, 8)


def test_all_that_does_not_fit_is_said_at_once():
    ours = drawn("vit")
    theirs = VIT_TABLES[0].to_theirs(ours)
    del theirs["norm.weight"]
    theirs["blocks.0.mlp.fc1.weight"] = np.zeros((3, 3))
    theirs["blocks.0.ls1.gamma"] = theirs["reg_token"] = theirs["fc_norm.weight"] = np.zeros(8)
    with pytest.raises(UserError) as caught:
        under_our_names(
            theirs, shapes_of(ours), tables_of(NETWORKS["vit"], "encoder"), "init_from='w'"
        )
    said = str(caught.value)
    assert said.startswith("init_from='w', read as timm's ViT, does not fit this config")
    assert "1 missing there: norm.weight (for final_norm/scale)" in said
    assert "3 extra there: blocks.0.ls1.gamma, reg_token, fc_norm.weight" in said
    assert (
        "blocks.0.mlp.fc1.weight (3, 3) instead of (8, 32) (for block0/mlp_hidden/kernel)" in said
    )
    assert "needs encoder.layer_scale=1e-5 and encoder.registers=N" in said


def test_files_of_something_else_are_refused(tmp_path):
    ours = drawn("vit")
    with pytest.raises(UserError, match=r"^w holds a, \.\.\., which are no names of timm's ViT or"):
        under_our_names(
            {"a": np.zeros(1)}, shapes_of(ours), tables_of(NETWORKS["vit"], "encoder"), "w"
        )
    with pytest.raises(UserError, match="does not exist"):
        read_file(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_text("no weights")
    with pytest.raises(UserError, match="is no readable safetensors file"):
        read_file(tmp_path / "bad.safetensors")
    assert tables_of(MLPEncoder(widths=(4,)), "encoder") == ()


OF_TEXTS = [
    (name, table)
    for name, network in TEXTS.items()
    for table in tables_of(network, "text_encoder")
    if "Hugging Face" in table.library
]


@pytest.mark.parametrize("prefix", ["", "model.text_model."])
@pytest.mark.parametrize(("name", "table"), OF_TEXTS, ids=lambda x: getattr(x, "library", x))
def test_encoders_of_texts_there_and_back(name, table, prefix):
    """With what files have besides: the other tower, heads, the places of tokens."""
    ours = drawn(name)
    theirs = {prefix + k.removeprefix(table.prefix): v for k, v in table.to_theirs(ours).items()}
    theirs[f"{prefix}embeddings.position_ids"] = np.arange(6)[None]
    if name == "bert":
        segments = prefix + "embeddings.token_type_embeddings.weight"
        assert theirs[segments].shape == (2, 8)
        theirs[segments] = np.stack([np.arange(8.0, dtype=np.float32), np.full(8, 1e9, np.float32)])
        theirs |= {f"{prefix}pooler.dense.weight": np.zeros((8, 8)), "cls.bias": np.zeros(11)}
    if prefix:  # of another tower, whose blocks have the same names
        theirs |= {
            k.replace("text", "vision"): np.full_like(v, 7)
            for k, v in theirs.items()
            if "encoder" in k
        }
    tables = tables_of(TEXTS[name], "text_encoder")
    found = under_our_names(theirs, shapes_of(ours), tables, "w")
    assert found.keys() == ours.keys()
    for key in ours:
        added = np.arange(8) if (name, key) == ("bert", "position_embedding") else 0
        np.testing.assert_array_equal(found[key], ours[key] + np.float32(added))


def test_names_as_hugging_face_has_them():
    clip, bert = (
        tables_of(network, "text_encoder")[0].to_theirs(drawn(name))
        for name, network in TEXTS.items()
    )
    assert clip["text_model.encoder.layers.1.mlp.fc1.weight"].shape == (32, 8)
    assert clip["text_model.embeddings.token_embedding.weight"].shape == (11, 8)
    assert bert["encoder.layer.1.attention.output.LayerNorm.bias"].shape == (8,)
    assert bert["embeddings.word_embeddings.weight"].shape == (11, 8)


@pytest.mark.parametrize("name", HEADS)
def test_heads_are_found_in_files_of_whole_networks(name):
    network, section = HEADS[name]
    tables = tables_of(network, section)
    ours = drawn(name)
    kind = name.split()[0]
    for table in tables:
        theirs = table.to_theirs(ours)
        assert {key.split(".")[0].split("_")[0] for key in theirs} == {kind}
        whole = {**theirs, "logit_scale": np.zeros(())}
        found = under_our_names(whole, shapes_of(ours), tables, "w")
        for key in ours:
            np.testing.assert_array_equal(found[key], ours[key])
    biased = MLP(output_dim=5, layers=1), MLP(output_dim=5, layers=2, output_bias=False)
    assert [tables_of(other, section) for other in biased] == [(), ()]


def test_bert_s_segments_of_another_width_are_told_with_the_rest():
    ours = drawn("bert")
    tables = tables_of(TEXTS["bert"], "text_encoder")
    theirs = tables[0].to_theirs(ours)
    theirs["embeddings.token_type_embeddings.weight"] = np.zeros((2, 9))
    with pytest.raises(UserError, match=r"1 extra there: embeddings\.token_type_embeddings"):
        under_our_names(theirs, shapes_of(ours), tables, "w")
