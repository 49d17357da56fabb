"""Files of whole CLIP models: both libraries compute what the networks compute that take them."""

import dataclasses
import importlib
import json
import sys
import types

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from jcl.data.dataset_shape import images_of  # noqa: E402
from jcl.errors import UserError  # noqa: E402
from jcl.evaluation.encode import output_function  # noqa: E402
from jcl.experiment import make_experiment  # noqa: E402
from jcl.methods.base import Variables  # noqa: E402
from jcl.training.warm_start import warm_start  # noqa: E402
from jcl.weights.beside import TRANSFORMERS_DEFAULTS  # noqa: E402
from jcl.weights.tables import tables_by_section  # noqa: E402
from jcl.weights.untold import KEYS  # noqa: E402
from tests.reference.runs import drawn_state  # noqa: E402
from tests.reference.test_tokenizers import WHEELS  # noqa: E402
from tests.reference.torch_weights import randomise  # noqa: E402
from tests.tiny import tiny_config  # noqa: E402

pytestmark = pytest.mark.reference

# Both towers have one width, depth and number of heads. The epsilon is large, so that another one
# would show.
EPSILON, HEADS, WIDTH, DEPTH, OUT = 0.01, 3, 24, 2, 10
VOCABULARY, MOST, END = 40, 9, 39
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGES = np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3), np.uint8)
LENGTHS = np.array([9, 4, 6])
MASK = np.arange(MOST) < LENGTHS[:, None]
IDS = np.random.default_rng(2).integers(1, END, MASK.shape)
IDS[np.arange(3), LENGTHS - 1] = END
IDS[~MASK] = 0


def hugging_face(folder, activation):
    """A model and its file."""
    both = {
        "hidden_size": WIDTH,
        "num_hidden_layers": DEPTH,
        "num_attention_heads": HEADS,
        "intermediate_size": 4 * WIDTH,
        "hidden_act": {"exact_gelu": "gelu"}.get(activation, activation),
    }
    text = {
        **{"vocab_size": VOCABULARY, "max_position_embeddings": MOST, "eos_token_id": END},
        **{"bos_token_id": 1, "pad_token_id": 0},
    }
    vision = {"image_size": 16, "patch_size": 4, "layer_norm_eps": EPSILON}
    model = transformers.CLIPModel(
        transformers.CLIPConfig(
            text_config={**both, **text}, vision_config={**both, **vision}, projection_dim=OUT
        )
    )
    randomise(model)
    model.float().eval().save_pretrained(folder)

    def outputs(pixels, ids, mask):
        images, texts = {"pixel_values": pixels}, {"input_ids": ids, "attention_mask": mask}
        found = model(**images, **texts)
        return {
            "features": model.vision_model(**images).pooler_output,
            "projection": found.image_embeds,
            "text/features": model.text_model(**texts).pooler_output,
            "text/projection": found.text_embeds,
        }

    return model, folder / "model.safetensors", outputs


def open_clip(folder, activation):
    """The same of OpenCLIP, whose code is in a wheel that need not be installed."""
    (wheel,) = WHEELS.glob("open_clip_torch-*.whl")
    package = types.ModuleType("open_clip")
    package.__path__ = [f"{wheel}/open_clip"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "open_clip", package)
        code = importlib.import_module("open_clip.model")
    vision = {
        **{"layers": DEPTH, "width": WIDTH, "head_width": WIDTH // HEADS},
        **{"patch_size": 4, "image_size": 16, "norm_kwargs": {"eps": EPSILON}},
    }
    text = {
        **{"context_length": MOST, "vocab_size": VOCABULARY},
        **{"layers": DEPTH, "width": WIDTH, "heads": HEADS},
    }
    config = {"embed_dim": OUT, "vision_cfg": vision, "text_cfg": text}
    config["quick_gelu"] = activation == "quick_gelu"
    model = code.CLIP(**config)
    mask = model.attn_mask.clone()
    randomise(model)
    model.attn_mask.copy_(mask)
    model.float().eval()
    file = folder / "open_clip_model.safetensors"
    save_file({name: tensor.numpy() for name, tensor in model.state_dict().items()}, file)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))

    def outputs(pixels, ids, mask):
        del mask  # what follows the token that ends a text does not reach it
        return {
            "projection": model.encode_image(pixels, normalize=True),
            "text/projection": model.encode_text(ids, normalize=True),
        }

    return model, file, outputs


def experiment_of(activation, **encoder):
    linear = {"name": "mlp", "layers": 1, "output_dim": OUT, "output_bias": False}
    options = {"width": WIDTH, "depth": DEPTH, "heads": HEADS, "activation": activation}
    config = tiny_config(
        **{
            **{"method.name": "clip", "views.name": "image_and_text", "data.text_length": MOST},
            "encoder": {
                **{"name": "vit_b", "patch_size": 4, "positions": "learned", "pre_norm": True},
                **{**options, "epsilon": EPSILON, "mean": MEAN, "std": STD, **encoder},
            },
            "projector": linear,
            "text_encoder": {"name": "clip_text", "max_length": MOST, **options},
            "text_projector": linear,
        }
    )
    shape = images_of(16, 16, 3, examples=64, text_length=MOST)
    return make_experiment(config, dataclasses.replace(shape, vocabulary=VOCABULARY))


PARTS = "encoder", "projector", "text_encoder", "text_projector", "log_scale"


def started(experiment, file, parts=PARTS):
    state, tables = drawn_state(experiment), tables_by_section(experiment.method)
    return warm_start(state, tuple((part, str(file)) for part in parts), tables=tables)[0]


@pytest.mark.parametrize(
    ("library", "activation"), [(hugging_face, "quick_gelu"), (open_clip, "exact_gelu")]
)
def test_a_whole_file_gives_what_its_library_computes(library, activation, tmp_path):
    model, file, outputs = library(tmp_path, activation)
    experiment = experiment_of(activation)
    state = started(experiment, file)
    assert float(state.params["log_scale"]) == pytest.approx(float(model.logit_scale.detach()))

    pixels = torch.from_numpy(np.float32((IMAGES / 255 - MEAN) / STD)).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = outputs(pixels, torch.from_numpy(IDS), torch.from_numpy(MASK).long())
    variables = Variables(state.params, state.model_state, state.method_state)
    batch = {
        "image": jnp.asarray(IMAGES),
        "text": jnp.asarray(IDS, jnp.int32),
        "text_mask": jnp.asarray(MASK),
    }
    for output, theirs in expected.items():
        computed = output_function(experiment.config, experiment.method, output)
        ours, theirs = np.asarray(computed(variables, batch)), theirs.numpy()
        assert np.ptp(ours, axis=0).max() > 0.01
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())

    (another,) = {"exact_gelu", "quick_gelu"} - {activation}
    other = experiment_of(another, heads=2, epsilon=1e-5)
    with pytest.raises(UserError) as caught:
        started(other, file, ["encoder"])
    for said in ("heads=3, which is 2 here", "epsilon=0.01, which is 1e-05 here", "activation="):
        assert said in str(caught.value)


def test_a_tower_of_images_alone(tmp_path):
    """As `CLIPVisionModelWithProjection` saves it."""
    whole, _, _ = hugging_face(tmp_path, "quick_gelu")
    model = transformers.CLIPVisionModelWithProjection(whole.config.vision_config)
    model.save_pretrained(tmp_path / "images")
    file = tmp_path / "images" / "model.safetensors"
    state = started(experiment_of("quick_gelu"), file, ["encoder"])
    theirs = load_file(file)["vision_model.pre_layrnorm.weight"]
    np.testing.assert_array_equal(state.params["encoder"]["pre_norm"]["scale"], theirs)


def test_the_defaults_of_their_configs():
    for kind, defaults in TRANSFORMERS_DEFAULTS.items():
        theirs = transformers.AutoConfig.for_model(kind)
        assert defaults == {name: getattr(theirs, KEYS[name]) for name in defaults}
