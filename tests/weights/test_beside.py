"""What files beside weights say of heads, activations, epsilons and the scale of images."""

import json

import pytest

from jcl.errors import UserError
from jcl.models.resnet import resnet18
from jcl.models.text.clip_text import CLIPText
from jcl.models.vit import ViT
from jcl.weights.beside import check_config
from jcl.weights.tables import tables_of

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
OF_CLIP = {"activation": "quick_gelu", "epsilon": 1e-5, "mean": MEAN, "std": STD}
TEXT = CLIPText(11, width=128, depth=1, heads=2)


def image(**options):
    return ViT(**{"width": 128, "depth": 1, "heads": 2, **options})


def check(folder, network, section="encoder", **files):
    """Writes {name: content} as JSON and checks the network against them."""
    for name, said in files.items():
        (folder / f"{name}.json").write_text(json.dumps(said))
    check_config(folder / "w.safetensors", tables_of(network, section)[0], "w")


def refusal(*given, **files):
    with pytest.raises(UserError) as caught:
        check(*given, **files)
    return str(caught.value)


def test_no_file_and_no_object_say_nothing(tmp_path):
    check(tmp_path, image())
    check(tmp_path, image(), config=[1], open_clip_config={"model_cfg": 3})
    (tmp_path / "config.json").write_text("{")
    check(tmp_path, image())


@pytest.mark.parametrize("within", ["text_config", None])
def test_of_texts(within, tmp_path):
    def said(**found):
        return {within: found, "vision_config": {"num_attention_heads": 99}} if within else found

    given = tmp_path, TEXT, "text_encoder"
    check(*given, config=said(num_attention_heads=2, hidden_act="quick_gelu", hidden_size=99))
    assert refusal(*given, config=said(num_attention_heads=4, hidden_act="gelu")) == (
        f"w does not fit this config: {tmp_path / 'config.json'} describes a network with heads=4, "
        "which is 2 here, and activation='exact_gelu', which is 'quick_gelu' here"
    )


def test_of_images(tmp_path):
    said = {"num_attention_heads": 2, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}
    both = {"vision_config": said, "text_config": {"num_attention_heads": 99}}
    check(tmp_path, image(**OF_CLIP), config=both)
    found = refusal(tmp_path, image(heads=4), config=both)
    assert "heads=2, which is 4 here" in found
    assert "activation='quick_gelu', which is 'exact_gelu' here" in found
    assert "epsilon=1e-05, which is 1e-06 here" in found
    assert "epsilon=1e-12, which is 1e-06 here" in refusal(
        tmp_path, image(), config={"layer_norm_eps": 1e-12}
    )
    check(tmp_path, image(activation="gelu"), config={"hidden_act": "gelu_new"})
    assert "activation='swish'" in refusal(tmp_path, image(), config={"hidden_act": "swish"})


def test_what_a_config_leaves_out_is_the_default_of_its_kind(tmp_path):
    """Published files of CLIP leave out what is as in the smallest model."""
    said = {"num_attention_heads": 2}
    found = refusal(tmp_path, image(), config={"model_type": "clip", "vision_config": said})
    assert "activation='quick_gelu'" in found
    assert "epsilon=1e-05" in found
    found = refusal(tmp_path, image(), config={"model_type": "vit", **said})
    assert "epsilon=1e-12" in found
    assert "activation" not in found
    assert "heads=12" in refusal(tmp_path, image(), config={"model_type": "dinov2"})


def test_how_images_were_scaled(tmp_path):
    said = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
    for network in (image(), resnet18()):
        check(tmp_path, network, preprocessor_config=said)
    of_imagenet = {**said, "image_mean": [0.485, 0.456, 0.406]}
    for network in (image(), resnet18()):
        found = refusal(tmp_path, network, preprocessor_config=of_imagenet)
        assert "mean=[0.485, 0.456, 0.406], which is (0.5,) here" in found
        assert "std" not in found
        check(tmp_path, network, preprocessor_config={**of_imagenet, "do_normalize": False})
    # Texts have none.
    check(tmp_path, TEXT, "text_encoder", preprocessor_config=of_imagenet)


def test_of_open_clip(tmp_path):
    text = {"width": 128, "heads": 2}
    model = {"embed_dim": 5, "vision_cfg": {"width": 128}, "text_cfg": text, "quick_gelu": True}
    check(tmp_path, image(**OF_CLIP), open_clip_config={"model_cfg": model})
    check(tmp_path, TEXT, "text_encoder", open_clip_config={"model_cfg": model})

    vision = {"width": 128, "head_width": 32, "pool_type": "avg", "norm_kwargs": {"eps": 1e-6}}
    half = {"mean": [0.5] * 3, "std": [0.5] * 3}
    other = {"vision_cfg": vision, "text_cfg": {**text, "no_causal_mask": True}}
    other = {"model_cfg": other, "preprocess_cfg": half}
    found = refusal(tmp_path, image(**OF_CLIP), open_clip_config=other)
    for said in (
        "heads=4, which is 2 here",
        "activation='exact_gelu', which is 'quick_gelu' here",
        "epsilon=1e-06, which is 1e-05 here",
        "pooling='avg of OpenCLIP', which is 'cls' here",
        "mean=[0.5, 0.5, 0.5], which is (0.48",
        "std=[0.5, 0.5, 0.5], which is (0.26",
    ):
        assert said in found
    found = refusal(tmp_path, TEXT, "text_encoder", open_clip_config=other)
    assert "causal=False, which is True here" in found
    assert "heads" not in found
    vision |= {"act_kwargs": {"approximate": "tanh"}}
    assert "activation='gelu'" in refusal(tmp_path, image(), open_clip_config=other)


def test_a_tower_of_another_library_within_open_clip_tells_how_images_were_scaled(tmp_path):
    said = {"model_cfg": {"vision_cfg": {"timm_model_name": "vit_base_patch16_224"}}}
    check(tmp_path, image(mean=MEAN, std=STD), open_clip_config=said)
    assert "mean=(0.48145466" in refusal(tmp_path, image(), open_clip_config=said)
