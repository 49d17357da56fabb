"""Weights out and in: torchvision, timm and Hugging Face compute the same features from them."""

import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import jcl  # noqa: E402
from jcl.data import InMemorySource  # noqa: E402
from jcl.data.dataset_shape import images_of  # noqa: E402
from jcl.data.identity import identity  # noqa: E402
from jcl.evaluation.encode import output_function  # noqa: E402
from jcl.experiment import make_experiment  # noqa: E402
from jcl.export import export  # noqa: E402
from jcl.methods.base import Variables  # noqa: E402
from jcl.training.warm_start import warm_start  # noqa: E402
from jcl.weights.tables import tables_by_section  # noqa: E402
from tests.reference.runs import drawn_state, program_of, save_run  # noqa: E402
from tests.reference.torch_weights import randomise  # noqa: E402
from tests.tiny import tiny_config  # noqa: E402

pytestmark = pytest.mark.reference

VIT = {"name": "vit_ti", "width": 24, "depth": 2, "heads": 3, "patch_size": 4}
ENCODERS = {
    "resnet18": {"name": "resnet18"},
    "resnet50, small images": {"name": "resnet50", "stem": "cifar", "stage_sizes": (1, 1, 1, 1)},
    "vit": VIT,
    "vit, mean": {**VIT, "pooling": "mean", "activation": "quick_gelu"},
    "vit, all": {
        **VIT,
        **{"positions": "learned", "layer_scale": 0.1, "registers": 2, "pre_norm": True},
        "epsilon": 0.01,  # so that another one would show
        **{"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
    },
}


def state_of(encoder, channels=3):
    config = tiny_config(encoder=encoder, **{"views.name": "weak", "views.size": 32})
    experiment = make_experiment(config, images_of(32, 32, channels, examples=64))
    return experiment, drawn_state(experiment)


@pytest.mark.parametrize(
    ("name", "channels"), [*((name, 3) for name in ENCODERS), ("resnet18", 1), ("vit", 2)]
)
def test_the_card_s_program_loads_what_was_trained(name, channels, tmp_path, monkeypatch):
    experiment, state = state_of(ENCODERS[name], channels)
    run = tmp_path / "run"
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 32, channels), np.uint8)
    save_run(run, experiment, state, identity(InMemorySource({"image": images})))
    card = export(run, tmp_path / "encoder.safetensors")
    monkeypatch.chdir(tmp_path)
    namespace = {}
    exec(program_of(card), namespace)

    features, params = jcl.load(run)
    ours = np.asarray(features(params, images))
    mean, std = (ENCODERS[name].get(k, (0.5,) * channels) for k in ("mean", "std"))
    pixels = torch.from_numpy(((images / 255 - mean) / std).astype(np.float32)).permute(0, 3, 1, 2)
    with torch.no_grad():
        theirs = namespace["model"](pixels).numpy()
    assert np.ptp(ours, axis=0).max() > 0.1
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


# A model of Hugging Face's, and an encoder of ours that takes its weights.
FILES = {
    "ResNet": (
        lambda: transformers.ResNetModel(
            transformers.ResNetConfig(
                embedding_size=8, hidden_sizes=[32, 64], depths=[1, 2], layer_type="bottleneck"
            )
        ),
        {"name": "resnet50", "width": 8, "stage_sizes": (1, 2)},
    ),
    "ViT": (
        lambda: transformers.ViTForImageClassification(
            transformers.ViTConfig(
                image_size=32,
                patch_size=4,
                hidden_size=24,
                num_hidden_layers=2,
                num_attention_heads=3,
                intermediate_size=96,
                layer_norm_eps=1e-6,
            )
        ),
        {**VIT, "positions": "learned"},
    ),
    "DINOv2": (
        lambda: transformers.Dinov2WithRegistersModel(
            transformers.Dinov2WithRegistersConfig(
                image_size=32,
                patch_size=4,
                hidden_size=24,
                num_hidden_layers=2,
                num_attention_heads=3,
                mlp_ratio=4,
                num_register_tokens=2,
                layer_norm_eps=1e-6,
            )
        ),
        {**VIT, "positions": "learned", "layer_scale": 1.0, "registers": 2},
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_hugging_face_give_their_features(name, tmp_path):
    model, encoder = FILES[name]
    theirs = model()
    randomise(theirs)
    theirs.float().eval().save_pretrained(tmp_path)
    experiment, state = state_of(encoder)
    tables = tables_by_section(experiment.method)
    file = str(tmp_path / "model.safetensors")
    state, origin = warm_start(state, file, tables=tables)
    assert origin == [{"workdir": file, "step": None, "part": "encoder"}]
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), np.uint8)
    variables = Variables(state.params, state.model_state, state.method_state)
    ours = output_function(experiment.config, experiment.method, "features")(
        variables, {"image": jnp.asarray(images)}
    )
    pixels = torch.from_numpy((images / 127.5 - 1).astype(np.float32)).permute(0, 3, 1, 2)
    with torch.no_grad():
        if name == "ResNet":
            expected = theirs(pixels).pooler_output.flatten(1).numpy()
        else:
            backbone = getattr(theirs, "vit", theirs)
            expected = backbone(pixels).last_hidden_state[:, 0].numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-5 * np.abs(expected).max())
