"""Encoders of texts out and in: `transformers` computes the same features from their folders."""

import dataclasses
import functools
import json

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import jcl  # noqa: E402
from jcl.data.dataset_shape import images_of  # noqa: E402
from jcl.data.text.bpe import train_bpe  # noqa: E402
from jcl.data.text.kept import write_kept  # noqa: E402
from jcl.errors import UserError  # noqa: E402
from jcl.evaluation.encode import output_function  # noqa: E402
from jcl.experiment import check_taken_embeddings, make_experiment  # noqa: E402
from jcl.export import export, export_all  # noqa: E402
from jcl.methods.base import Variables  # noqa: E402
from jcl.training.warm_start import warm_start  # noqa: E402
from jcl.weights.tables import tables_by_section  # noqa: E402
from tests.reference.runs import drawn_state, program_of, save_run  # noqa: E402
from tests.reference.torch_weights import randomise  # noqa: E402
from tests.tiny import tiny_config  # noqa: E402

normalize = torch.nn.functional.normalize

pytestmark = pytest.mark.reference

LENGTH, MOST = 9, 12
# Those of the cards' programs, of which one is cut.
TEXTS = np.array(["a text", "and one more"])
TOKENIZER = train_bpe(["a text and", "a more or less long one"] * 3, 260)
NETWORK = {"width": 24, "depth": 2, "heads": 3, "max_length": MOST}
CLIP = {"name": "clip_text", **NETWORK}
BERT = {"name": "bert", **NETWORK}
LINEAR = {"name": "mlp", "layers": 1, "output_dim": 10, "output_bias": False}
SIMCSE = {"method.name": "simcse", "views.name": "text_copies"}
POOLER = {"name": "dense_tanh"}
TOWERS = {"method.name": "clip", "views.name": "image_and_text", "projector": LINEAR}

RUNS = {
    "clip of two towers": {**TOWERS, "text_encoder": CLIP, "text_projector": LINEAR},
    "clip, exact, other head": {
        **SIMCSE,
        "text_encoder": {**CLIP, "activation": "exact_gelu"},
        "text_projector": POOLER,
    },
    "bert": {**SIMCSE, "text_encoder": BERT, "text_projector": POOLER},
    "bert, mean": {**SIMCSE, "text_encoder": {**BERT, "pooling": "mean"}, "text_projector": POOLER},
    "clip of ids": {
        **SIMCSE,
        "text_encoder": {**CLIP, "vocabulary": 30},
        "text_projector": {**LINEAR, "output_bias": True},
    },
}


def experiment_of(run, tokenizer=None):
    config = tiny_config(**{"data.text_length": LENGTH, **run})
    shape = images_of(8, 8, 3, examples=64, text_length=LENGTH)
    size = None if tokenizer is None else tokenizer.size
    return make_experiment(config, dataclasses.replace(shape, vocabulary=size))


def assert_close(ours, theirs):
    ours, theirs = np.asarray(ours), theirs.detach().numpy()
    assert np.ptp(ours, axis=0).max() > 0.01
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("name", RUNS)
def test_the_card_s_program_computes_our_features(name, tmp_path, monkeypatch):
    tokenizer = None if name == "clip of ids" else TOKENIZER
    experiment = experiment_of(RUNS[name], tokenizer)
    run, out = tmp_path / "run", tmp_path / "out"
    save_run(run, experiment, drawn_state(experiment))
    write_kept(run, tokenizer)
    cards = export_all(run, out)
    towers = ["encoder"] * ("towers" in name) + ["text_encoder"]
    assert cards == [out / tower / "model.md" for tower in towers]
    namespace = {}
    for tower, card in zip(towers, cards, strict=True):
        monkeypatch.chdir(out / tower)
        exec(program_of(card), namespace)

    if tokenizer is None:
        ids = namespace["ids"].numpy().astype(np.int32)
        mask = np.ones(ids.shape, bool)
        # The program has one text; a second one is shorter.
        ids, mask = np.concatenate([ids, ids]), np.stack([mask[0], [True, True, False]])
        theirs = namespace["model"](torch.tensor(ids), torch.tensor(mask).long())
        theirs = theirs.last_hidden_state[[0, 1], [2, 1]]
        torch.testing.assert_close(theirs[:1], namespace["features"])
        assert json.loads((out / "text_encoder/config.json").read_text())["eos_token_id"] == -1
    else:
        ids, mask, cut = tokenizer.encode(TEXTS, LENGTH)
        assert cut.tolist() == [False, True]
        theirs = namespace["features"]
    prefix = "text/" if "towers" in name else ""
    given = {"text": ids, "text_mask": mask}
    features, params = jcl.load(run, output=f"{prefix}features")
    assert_close(features(params, given), theirs)
    if has_head := name in ("clip of two towers", "bert"):
        projection, params = jcl.load(run, output=f"{prefix}projection")
        assert_close(
            projection(params, given), torch.nn.functional.normalize(namespace["projection"])
        )
    assert ("projection" in namespace) == has_head
    with pytest.raises(UserError, match=r"is named model\.safetensors; give --out="):
        export(run, tmp_path / "text.safetensors", section="text_encoder")


COMMON = {
    "vocab_size": TOKENIZER.size,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 96,
    "max_position_embeddings": MOST,
}
OF_CLIP = {**COMMON, "eos_token_id": TOKENIZER.around[1], "projection_dim": 10}


def clip_text():
    return transformers.CLIPTextModel(transformers.CLIPTextConfig(**OF_CLIP))


def clip_of_two():
    vision = {**COMMON, "num_hidden_layers": 3, "image_size": 8, "patch_size": 4}
    config = transformers.CLIPConfig(text_config=OF_CLIP, vision_config=vision, projection_dim=10)
    return transformers.CLIPModel(config)


def bert():
    return transformers.BertModel(transformers.BertConfig(**COMMON))


def bert_with_head():
    return transformers.BertForPreTraining(transformers.BertConfig(**COMMON))


# A model, the run that takes its file, what gives features and projection there.
FILES = {
    "CLIPTextModel": (clip_text, CLIP, LINEAR, lambda m, t: (m(**t).pooler_output, None)),
    "CLIPModel": (
        clip_of_two,
        CLIP,
        LINEAR,
        lambda m, t: (m.text_model(**t).pooler_output, m(**t, pixel_values=PIXELS).text_embeds),
    ),
    "BertModel": (
        bert,
        BERT,
        POOLER,
        lambda m, t: (m(**t).last_hidden_state[:, 0], m(**t).pooler_output),
    ),
    "BertForPreTraining, old names": (
        bert_with_head,
        BERT,
        POOLER,
        lambda m, t: (m.bert(**t).last_hidden_state[:, 0], m.bert(**t).pooler_output),
    ),
}
PIXELS = torch.zeros(1, 3, 8, 8)


@pytest.mark.parametrize("name", FILES)
def test_files_of_hugging_face_give_their_features(name, tmp_path):
    make, encoder, head, outputs = FILES[name]
    theirs = make()
    randomise(theirs)
    theirs.float().eval().save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    if "old" in name:
        renamed = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        new_name = functools.partial(_replaced, renamed)
        save_file({new_name(key): array for key, array in load_file(file).items()}, file)
    experiment = experiment_of(
        {**SIMCSE, "text_encoder": encoder, "text_projector": head}, TOKENIZER
    )
    state, tables = drawn_state(experiment), tables_by_section(experiment.method)
    has_head = name != "CLIPTextModel"
    parts = ("text_encoder", "text_projector") if has_head else ("text_encoder",)
    given = tuple((part, str(file)) for part in parts) if has_head else str(file)
    state, origin = warm_start(state, given, tables=tables)
    assert [found["part"] for found in origin] == [*parts]

    write_kept(tmp_path, TOKENIZER)
    check_taken_embeddings(state.params, origin, TOKENIZER)
    with pytest.raises(UserError, match=r"whose tokenizer is another: set data\.tokenizer="):
        check_taken_embeddings(state.params, origin, train_bpe(["other", "words"], 260))

    ids, mask, _ = TOKENIZER.encode(TEXTS, LENGTH)
    batch = {"text": jnp.asarray(ids), "text_mask": jnp.asarray(mask)}
    variables = Variables(state.params, state.model_state, state.method_state)
    texts = {"input_ids": torch.tensor(ids).long(), "attention_mask": torch.tensor(mask).long()}
    features, projection = outputs(theirs, texts)
    expected = {"features": features, "projection": normalize(projection) if has_head else None}
    for output in ("features", "projection")[: 1 + has_head]:
        found = output_function(experiment.config, experiment.method, output)(variables, batch)
        assert_close(found, expected[output])


def _replaced(renamed, name):
    for old, new in renamed.items():
        name = name.replace(old, new)
    return name


def test_what_does_not_fit_is_told_of_both_towers(tmp_path):
    theirs = clip_of_two()
    theirs.save_pretrained(tmp_path)
    file = str(tmp_path / "model.safetensors")
    run = {
        **TOWERS,
        "encoder": {"name": "vit_ti", "width": 24, "depth": 2, "heads": 3, "patch_size": 4},
        "text_encoder": {**CLIP, "depth": 1, "max_length": 16},
        "text_projector": {**LINEAR, "output_bias": True},
    }
    experiment = experiment_of(run, TOKENIZER)
    tables, state = tables_by_section(experiment.method), drawn_state(experiment)
    parts = "encoder", "text_encoder", "text_projector"
    with pytest.raises(UserError) as caught:
        warm_start(state, tuple((part, file) for part in parts), tables=tables)
    said = str(caught.value)
    assert "(for encoder), read as Hugging Face's CLIP, does not fit this config" in said
    assert "vision_model.encoder.layers.2.layer_norm1.bias" in said
    assert "this file needs encoder.pre_norm=True and encoder.pooling=cls" not in said
    assert "encoder.pre_norm=True and encoder.positions=learned" in said
    assert "(for text_encoder), read as Hugging Face's CLIP, does not fit this config" in said
    assert "text_model.encoder.layers.1.layer_norm1.bias" in said
    positions = "text_model.embeddings.position_embedding.weight (12, 24) instead of (16, 24)"
    assert positions in said
    assert "no other library's names for the network of 'text_projector'" in said
    assert "output_bias=False" in said
