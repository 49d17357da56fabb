"""Names and layouts of other libraries: there and back, and what does not fit is said."""

import jax
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.models.mlp import MLPEncoder
from jcl.models.resnet import resnet18, resnet50
from jcl.models.vit import ViT
from jcl.optim.patterns import parameter_name
from jcl.weights.read import read_file, under_our_names
from jcl.weights.tables import tables_of
from jcl.weights.write import write_file
from tests.models.networks import shapes

VIT = {"patch_size": 4, "width": 8, "depth": 2, "heads": 2}
NETWORKS = {
    "resnet18": resnet18(stage_sizes=(1, 1), width=4),
    "resnet50": resnet50(stage_sizes=(1, 2), width=4, stem="cifar"),
    "vit": ViT(**VIT, positions="learned"),
    "vit of all options": ViT(
        **VIT, positions="learned", layer_scale=1e-5, registers=3, pre_norm=True
    ),
}
WITH_ALL = "vit of all options"


def drawn(name):
    """Every parameter and statistic of a network by its name, all values different."""
    _, variables = shapes(NETWORKS[name], 1, 16, 16, 3)
    leaves = [
        (parameter_name(path), leaf.shape)
        for kind in variables.values()
        for path, leaf in jax.tree_util.tree_leaves_with_path(kind)
    ]
    random = np.random.default_rng(0)
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in leaves}


def shapes_of(arrays):
    return {name: array.shape for name, array in arrays.items()}


# Hugging Face's ViT and ResNet have no layer scales, registers and norms before the blocks.
PAIRS = [
    (name, table)
    for name, network in NETWORKS.items()
    for table in tables_of(network)
    if name != WITH_ALL or table.library in ("timm's ViT", "DINOv2")
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
    found = under_our_names(read, shapes_of(ours), tables_of(NETWORKS[name]), "w")
    assert found.keys() == ours.keys()
    for key in ours:
        np.testing.assert_array_equal(found[key], ours[key])


def test_names_as_torchvision_and_timm_have_them():
    resnet = tables_of(NETWORKS["resnet50"])[0].to_theirs(drawn("resnet50"))
    assert resnet["layer2.1.conv3.weight"].shape == (32, 8, 1, 1)
    assert resnet["layer2.0.downsample.1.running_var"].shape == (32,)
    vit = tables_of(NETWORKS[WITH_ALL])[0].to_theirs(drawn(WITH_ALL))
    assert vit["blocks.1.attn.qkv.weight"].shape == (24, 8)
    assert vit["patch_embed.proj.weight"].shape == (8, 3, 4, 4)
    assert vit["reg_token"].shape == (1, 3, 8)


def test_all_that_does_not_fit_is_said_at_once():
    ours = drawn("vit")
    theirs = tables_of(NETWORKS["vit"])[0].to_theirs(ours)
    del theirs["norm.weight"]
    theirs["blocks.0.mlp.fc1.weight"] = np.zeros((3, 3))
    theirs["blocks.0.ls1.gamma"] = theirs["reg_token"] = theirs["fc_norm.weight"] = np.zeros(8)
    with pytest.raises(UserError) as caught:
        under_our_names(theirs, shapes_of(ours), tables_of(NETWORKS["vit"]), "init_from='w'")
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
        under_our_names({"a": np.zeros(1)}, shapes_of(ours), tables_of(NETWORKS["vit"]), "w")
    with pytest.raises(UserError, match="does not exist"):
        read_file(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_text("no weights")
    with pytest.raises(UserError, match="is no readable safetensors file"):
        read_file(tmp_path / "bad.safetensors")
    assert tables_of(MLPEncoder(widths=(4,))) == ()
