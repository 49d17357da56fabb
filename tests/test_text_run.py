"""A run on texts that are strings: its tokenizer is its own, on resume and in evaluation."""

import functools
import json
import re

import jax
import numpy as np
import pytest

import jcl
from jcl.data.dataset_shape import shape_of
from jcl.data.text.bpe import train_bpe
from jcl.data.text.kept import read_kept
from jcl.data.text.tokenizer import read_tokenizer
from jcl.errors import UserError
from jcl.evaluate import evaluate
from jcl.experiment import make_experiment, method_of, open_config, open_split
from jcl.probes import results_table
from jcl.runtime.metrics import read_metrics
from jcl.runtime.workdir import read_config
from jcl.train import train
from jcl.training.checkpoint import read_variables
from tests.pairs import WORDS, pairs
from tests.tiny import assert_same_bits, largest_difference, one_device, tiny_config

SIZE = 270


def spoken(split):
    """The toy pairs, their texts as sentences."""
    arrays = pairs(split, renderings=1)
    ids, mask = arrays.pop("text"), arrays.pop("text_mask")
    arrays["text"] = np.array(
        [" ".join(WORDS[i] for i in row[kept]) for row, kept in zip(ids, mask, strict=True)]
    )
    return arrays


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "spoken.npz"
    arrays = {f"{s}_{key}": a for s in ("train", "test") for key, a in spoken(s).items()}
    np.savez(path, **arrays)
    return path


def config_of(archive, **overrides):
    return tiny_config(
        **{
            "total_steps": 4,
            "data.name": f"arrays:{archive}",
            "data.vocabulary": SIZE,
            "data.text_length": 40,
            "method.name": "clip",
            "views.name": "image_and_text",
            "text_encoder.name": "token_bag",
            "text_encoder.width": 6,
            "text_projector.layers": 1,
            "text_projector.output_dim": 8,
            "checkpoint.every_steps": 2,
            "probe.linear_seeds": 1,
            "probe.shares": (),
            "probe.baselines": False,
            **overrides,
        }
    )


@pytest.fixture(autouse=True)
def one_device_without_tensorboard(monkeypatch):
    monkeypatch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)
    make_mesh = jcl.train.make_mesh
    monkeypatch.setattr("jcl.train.make_mesh", lambda **_: make_mesh(devices=jax.devices()[:1]))


def test_a_split_has_the_tokens_of_the_training_split(archive):
    config = open_config(config_of(archive))
    train_split, test_split = (open_split(config, split) for split in ("train", "test"))
    texts = spoken("train")["text"]
    assert train_split.tokenizer == test_split.tokenizer == train_bpe(texts.tolist(), SIZE)
    batch = test_split.batch(np.arange(3))
    expected = train_split.tokenizer.encode(spoken("test")["text"][:3], 40)
    np.testing.assert_array_equal(batch["text"], expected.ids)
    np.testing.assert_array_equal(batch["text_mask"], expected.mask)
    given = open_split(config, "test", tokenizer=lambda: train_bpe(["a"], 258))
    assert given.tokenizer.size == 258


def test_a_tokenizer_without_texts_and_a_vocabulary_too_small_are_refused(archive):
    config = open_config(config_of(archive, **{"data.tokenizer": "t.json"}))
    with config.unlocked():
        config.data = {**tiny_config().data.to_dict(), "tokenizer": "t.json"}
    message = "data.tokenizer='t.json' is set, but data.name='shapes' has no texts that are strings"
    with pytest.raises(UserError, match=re.escape(message)):
        open_split(open_config(config), "train")
    with pytest.raises(UserError, match=r"data\.vocabulary=257 is impossible: .* 258 tokens"):
        open_config(config_of(archive, **{"data.vocabulary": 257}))
    config = config_of(archive, **{"text_encoder.vocabulary": 100})
    message = r"text_encoder\.vocabulary=100 is impossible: the tokenizer of the run has 270 token"
    with pytest.raises(UserError, match=message):
        jcl.experiment.make_method(open_config(config), vocabulary=270)


@pytest.mark.slow
def test_a_run_keeps_its_tokenizer(archive, tmp_path):
    """Stopped after two of four steps, while the archive gets other texts."""
    run, straight = tmp_path / "run", tmp_path / "straight"
    go = functools.partial(train, accept_config_changes=False)
    go(config_of(archive), straight)
    go(config_of(archive, total_steps=2), run)
    tokenizer = read_tokenizer(run / "tokenizer.json")
    assert tokenizer == train_bpe(spoken("train")["text"].tolist(), SIZE)
    assert jax.tree.leaves(jcl.load(run)[1]["params"]["text_encoder"])[0].ndim > 0
    assert method_of(run).text_encoder.vocabulary == tokenizer.size

    # The same examples in other files; a tokenizer trained on these alone would be another.
    changed = tmp_path / "changed.npz"
    arrays = {f"{s}_{key}": a for s in ("train", "test") for key, a in spoken(s).items()}
    arrays["train_text"] = np.array(["zzz zzz zzz"] * len(arrays["train_text"]))
    np.savez(changed, **arrays)
    results = evaluate(config_of(changed, total_steps=2), run)
    own = evaluate(config_of(archive, total_steps=2), run)
    assert results["retrieval"] == own["retrieval"]  # test texts are the same

    other = tmp_path / "other.json"
    other.write_text(train_bpe(["a b c"], 260).json)
    said = f"data.tokenizer={str(other)!r} is not the tokenizer of the run in {run}"
    for refused in (go, evaluate):
        with pytest.raises(UserError, match=re.escape(said)) as error:
            refused(config_of(archive, **{"data.tokenizer": str(other)}), run)
        assert "\n" not in str(error.value)
    train(config_of(archive), run, accept_config_changes=True)  # total_steps: 2 -> 4
    lines, expected = (read_metrics(workdir) for workdir in (run, straight))
    assert json.loads((run / "run.json").read_text())["start_step"] == 2
    assert [line["batch_hash"] for line in lines] == [line["batch_hash"] for line in expected]
    (run / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"has no tokenizer\.json, so its networks cannot read"):
        evaluate(config_of(archive), run)


@pytest.mark.slow
def test_a_run_takes_the_tokenizer_that_is_named(archive, tmp_path):
    path = tmp_path / "named.json"
    path.write_text(train_bpe(WORDS, 300).json)
    config = config_of(archive, **{"data.tokenizer": str(path), "probe.every_steps": 2})
    train(config, tmp_path / "run", accept_config_changes=False)
    assert read_tokenizer(tmp_path / "run" / "tokenizer.json") == read_tokenizer(path)
    path.unlink()  # the workdir is all that evaluation needs
    config = open_config(read_config(tmp_path / "run"))
    config.probe.outputs = ("features", "text/features")
    results = evaluate(config, tmp_path / "run")
    for tower in (results, results["text/features"]):
        assert tower["knn"].keys() & tower["linear"].keys() >= {"top1"}
    assert results["knn"] != results["text/features"]["knn"]


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    """Texts of two classes to train on; to test, the same with pairs that the class scores."""
    path = tmp_path_factory.mktemp("data") / "sentences.npz"
    arrays = {}
    for split in ("train", "test"):
        found = spoken(split)
        n = len(found["text"]) // 4 * 4
        arrays |= {f"{split}_text": found["text"][:n], f"{split}_label": found["label"][:n] // 2}
    label = arrays["test_label"]
    arrays["test_sts_pair"] = np.arange(len(label)) // 2
    same = label[::2] == label[1::2]
    arrays["test_sts_score"] = np.repeat(same + np.linspace(0, 0.1, len(same)), 2)
    np.savez(path, **arrays)
    return path


@pytest.mark.slow
def test_sentences_are_trained_and_measured(sentences, tmp_path):
    config = tiny_config(
        **{
            "total_steps": 3,
            "data.name": f"arrays:{sentences}",
            "data.vocabulary": SIZE,
            "data.text_length": 40,
            "method.name": "simcse",
            "views.name": "text_deletion",
            "text_encoder.name": "token_bag",
            "text_encoder.width": 6,
            "text_encoder.dropout": 0.1,
            "text_projector.name": "dense_tanh",
            "checkpoint.every_steps": 3,
            "probe.linear_seeds": 1,
            "probe.shares": (),
            "probe.every_steps": 3,
        }
    )
    train(config, tmp_path / "run", accept_config_changes=False)
    results = evaluate(config, tmp_path / "run")
    for scores in (results, results["untrained"]):
        assert {"knn", "linear", "sts"} <= scores.keys()
        assert -1 <= scores["sts"]["spearman"] <= 1
    assert "pixels" not in results
    assert "STS Spearman" in results_table(results)
    features, params = jcl.load(tmp_path / "run")
    ids, mask, _ = read_kept(tmp_path / "run").encode(np.array(["a red disc", "blue"]), 40)
    found = features(params, {"text": ids, "text_mask": mask})
    assert found.shape == (2, 6)
    assert not np.allclose(found[0], found[1])


@pytest.mark.slow
def test_a_locked_tower_stays_what_another_run_made_it(archive, tmp_path):
    """LiT: images from a run of their own, the rest from the start."""
    images = config_of(archive, **{"method.name": "simclr", "views.name": "crop_light"})
    for title in ("text_encoder", "text_projector"):
        images[title] = {"name": images[title].name}
    train(images, tmp_path / "images", accept_config_changes=False)
    locked = {
        "init_from": (("encoder", str(tmp_path / "images")),),
        "optimizer.groups": (("encoder", None),),
    }
    train(config_of(archive, **locked), tmp_path / "lit", accept_config_changes=False)
    before, after = (read_variables(tmp_path / name)[0].params for name in ("images", "lit"))
    assert_same_bits(after["encoder"], before["encoder"])
    state = make_experiment(
        open_config(config_of(archive)), shape_of(open_split(config_of(archive), "train"))
    ).init_state(one_device())
    for part in ("projector", "text_encoder", "text_projector"):
        assert largest_difference(after[part], state.params[part]) > 0
