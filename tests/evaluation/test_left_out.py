"""Evaluation of odd data: what makes sense is measured, what is left out is said, before too."""

import json
import re

import numpy as np
import pytest

from jcl.data import InMemorySource, open_source
from jcl.data.dataset_shape import shape_of
from jcl.data.identity import identity
from jcl.errors import UserError
from jcl.evaluate import evaluate
from jcl.evaluation.left_out import Measurable, check_same_size, foretold, left_out
from jcl.evaluation.periodic import make_online_probe
from jcl.experiment import make_experiment, open_config
from jcl.probes import Features, results_table, save_features
from jcl.probes.measure import measure
from jcl.runtime import workdir as workdir_lib
from jcl.training.checkpoint import Checkpoints
from tests.tiny import one_device, tiny_config, tiny_experiment

ORDINARY = Measurable(examples=64, test=True, classes=4, target=False)


def archive(folder, n=64, n_test=20, *, size=8, test_size=8, **known):
    random = np.random.RandomState(0)
    arrays = {"train_image": random.randint(0, 256, (n, size, size, 3), np.uint8)}
    if n_test:
        shape = (n_test, test_size, test_size, 3)
        arrays["test_image"] = random.randint(0, 256, shape, np.uint8)
    for split, count in (("train", n), ("test", n_test)):
        if count:
            arrays |= {f"{split}_{key}": make(count) for key, make in known.items()}
    np.savez(folder / "x.npz", **arrays)
    return {"name": f"arrays:{folder}/x.npz"}


def labels(n):
    return np.arange(n) % 4


def config_of(data, **overrides):
    config = tiny_config(**{"views.name": "weak", "probe.linear_seeds": 1, **overrides})
    config.data = data
    return config


@pytest.mark.parametrize(
    ("found", "options", "says"),
    [
        ({}, {}, []),
        ({"test": False}, {}, ["has no test split.*data.held_out=0.1"]),
        ({"classes": None}, {}, ["neither labels nor targets"]),
        ({"classes": None, "target": True}, {}, []),
        ({"classes": 1}, {}, ["all of one class .probe.label='label'"]),
        ({"examples": 12}, {}, ["probe.knn_k=20 neighbours are asked of 12"]),
        ({"examples": 5}, {}, ["probe.knn_k", "linear and ridge .* has 5, so"]),
        ({"classes": None}, {"probe.finetune": True}, ["neither", "probe.finetune=True needs"]),
        ({"test": False}, {"probe.finetune": True}, ["no test split", "probe.finetune=True"]),
    ],
)
def test_each_thing_that_is_left_out_is_said_with_its_key(found, options, says):
    measurable = Measurable(**{**vars(ORDINARY), **found})
    said = left_out(open_config(tiny_config(**options)), measurable)
    assert len(said) == len(says)
    for sentence, pattern in zip(said, says, strict=True):
        assert re.search(pattern, sentence)


def test_it_is_said_before_training(tmp_path):
    def told(**options):
        config = open_config(config_of(archive(tmp_path, **options)))
        return foretold(config, open_source(config.data.name, "train"))

    assert told(label=labels) == []
    assert "no test split" in told(n_test=0, label=labels)[0]
    assert "neither labels nor targets" in told()[0]
    assert "all of one class" in told(label=lambda n: np.zeros(n, int))[0]
    assert "has 4, so these" in told(n=4, label=labels)[1]
    assert told(target=lambda n: np.full(n, 1.0)) == []


def test_a_test_split_of_another_size_is_refused_unless_views_are_cut():
    small, large = (InMemorySource({"image": np.zeros((2, s, s, 3), np.uint8)}) for s in (8, 9))
    check_same_size(open_config(tiny_config()), small, small)
    with pytest.raises(UserError, match=r"are 8x8x3 and its test images 9x9x3: data.image_size=N"):
        check_same_size(open_config(tiny_config()), small, large)
    cut = open_config(tiny_config(**{"views.name": "weak", "views.size": 4}))
    check_same_size(cut, small, large)


def blobs(n, label, width=3, **known):
    features = np.random.RandomState(0).randn(n, width).astype(np.float32)
    return Features(features, {"label": np.asarray(label, np.int32), **known})


SETTINGS = {"k": 20, "temperature": 0.07, "seeds": (0,), "shares": (0.5,), "bin_width": 1.0}


def test_probes_that_make_sense_of_few_examples():
    few = measure(blobs(5, [0, 1, 0, 1, 0]), blobs(3, [0, 1, 0]), n_classes=2, **SETTINGS)
    assert few["knn"]["k"] == 5
    assert "linear" not in few
    assert "linear top-1" in results_table(few)
    targets = np.arange(5, dtype=np.float32)
    ridge = measure(
        blobs(5, [0] * 5, target=targets),
        blobs(5, [0] * 5, target=targets),
        n_classes=1,
        **SETTINGS,
    )
    assert ridge["knn"].keys() >= {"mae"}
    assert "top1" not in ridge["knn"]
    assert "ridge" not in ridge
    one = measure(blobs(30, [1] * 30), blobs(9, [1] * 9), n_classes=2, **SETTINGS)
    assert {"knn", "linear"}.isdisjoint(one)


@pytest.mark.slow
def test_constant_features_are_measured():
    def constant(n, **known):
        return Features(np.ones((n, 3), np.float32), {"label": labels(n).astype(np.int32), **known})

    target = {"target": np.linspace(0, 1, 20, dtype=np.float32)}
    scores = measure(constant(20, **target), constant(20, **target), n_classes=4, **SETTINGS)
    assert scores["knn"]["top1"] == 0.25
    assert scores["linear"]["top1"] == 0.25
    assert scores["ridge"]["pearson"] is None
    results_table(scores)


def test_periodic_scores_that_mean_nothing_are_refused_before_training(tmp_path):
    def probe(online="knn", key="label", **options):
        overrides = {"probe.every_steps": 4, "probe.online": online, "batch_size": 4}
        overrides["probe.label"] = key
        config = config_of(archive(tmp_path, **options), **overrides)
        train = open_source(config.data.name, "train")
        return make_online_probe(make_experiment(config, shape_of(train)), train, one_device())

    assert probe(label=labels) is not None
    for options, says in (
        ({"n_test": 0, "label": labels}, "has none: set data.held_out=0.1"),
        ({"label": lambda n: np.zeros(n, int)}, "labels of one class alone"),
        ({}, "no labels"),
        ({"label": labels, "key": "motion"}, r"no 'motion' \(probe\.label\): set probe.every"),
        ({"label": labels, "test_size": 9}, "different shapes|one size"),
        ({"n": 5, "label": labels, "online": "linear"}, "set probe.online=knn"),
    ):
        with pytest.raises(UserError, match=says):
            probe(**options)


def test_one_split_alone_is_exported(tmp_path):
    save_features(tmp_path / "f.npz", blobs(3, [0, 1, 0]), None)
    with np.load(tmp_path / "f.npz") as saved:
        assert sorted(saved.files) == ["train_features", "train_label"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A workdir with an untrained encoder of 8x8 images."""
    folder = tmp_path_factory.mktemp("encoder")
    config = tiny_config(**{"views.name": "weak", "probe.linear_seeds": 1})
    with Checkpoints(folder, keep=1) as checkpoints:
        checkpoints.save(tiny_experiment(config).init_state(one_device()), 1)
    return folder


def evaluated(encoder, data, **overrides):
    """Of a run that was trained on these data."""
    config = config_of(data, **overrides)
    workdir_lib.write_config(encoder, config)
    record = identity(open_source(config.data.name, "train"))
    workdir_lib.write_run(encoder, start_step=0, origin=None, options={}, data=record)
    return evaluate(open_config(config), encoder)


@pytest.mark.slow
def test_without_a_test_split_geometry_is_measured_and_a_held_out_part_predicts(encoder, tmp_path):
    data = archive(tmp_path, n_test=0, label=labels)
    results = evaluated(encoder, data)
    assert {"knn", "linear", "pixels", "head"}.isdisjoint(results)
    assert results["geometry"]["width"] == 8
    assert "has no test split" in results["remarks"][0]
    assert json.loads((encoder / "results.json").read_text())["remarks"] == results["remarks"]
    held_out = evaluated(encoder, {**data, "held_out": 0.25})
    assert 0 <= held_out["linear"]["top1"] <= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "says", "has"),
    [
        ({"n": 4, "n_test": 1, "label": labels}, "probe.knn_k=20", "knn"),
        ({"label": lambda n: np.zeros(n, int)}, "all of one class", None),
        ({}, "neither labels nor targets", None),
        ({"target": lambda n: np.full(n, 2.0)}, None, "ridge"),
    ],
)
def test_odd_data_are_evaluated_to_the_end(options, says, has, encoder, tmp_path):
    results = evaluated(encoder, archive(tmp_path, **options))
    assert (encoder / "figures" / "views.png").exists()
    assert results["geometry"]["width"] == 8
    if says is not None:
        assert says in results["remarks"][0]
    if has is not None:
        assert has in results
    results_table(results)


@pytest.mark.slow
def test_data_that_changed_since_training_are_said(encoder, tmp_path):
    data = archive(tmp_path, label=labels)
    evaluated(encoder, data)
    archive(tmp_path, n=50, label=labels)
    results = evaluate(open_config(config_of(data)), encoder)
    assert any("number of examples: 64 -> 50" in said for said in results["remarks"])
    (tmp_path / "other").mkdir()
    other = archive(tmp_path / "other", size=9, test_size=9, label=labels)
    results = evaluate(open_config(config_of(other)), encoder)
    assert any(
        "trained on images [8, 8, 3] and these are [9, 9, 3]" in x for x in results["remarks"]
    )


def test_features_are_not_concatenated_without_a_test_split(tmp_path):
    config = config_of(archive(tmp_path, n_test=0, label=labels))
    with pytest.raises(UserError, match=r"--concatenate .* has no test split: set data\.held_out"):
        evaluate(config, tmp_path, concatenate=[tmp_path])
