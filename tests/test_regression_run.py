"""A regression on vectors, from the archive to results.json, its numbers worked out again."""

import json

import numpy as np
import pytest
from scipy.stats import spearmanr

import jcl
from jcl.evaluate import evaluate
from jcl.train import train
from jcl.training.checkpoint import read_model
from tests.tiny import tiny_config


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "table.npz"
    random, arrays = np.random.RandomState(0), {}
    for split, n in (("train", 160), ("test", 60)):
        features = random.normal(size=(n, 5)).astype(np.float32)
        arrays[f"{split}_features"] = features
        # Many small targets, few large ones.
        arrays[f"{split}_target"] = np.round(np.exp(1.5 + features[:, 0])).astype(np.float32)
    np.savez(path, **arrays)
    return path


PROBED = []  # what the periodic probe said: step, name, value


@pytest.fixture(scope="module")
def run(archive, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("regression") / "run"
    config = tiny_config(
        **{
            "data.name": f"arrays:{archive}",
            "views.name": "feature_noise",
            "encoder.name": "mlp",
            "encoder.widths": (8,),
            "method.name": "l1",
            "method.temperature": None,
            "probe.linear_seeds": 1,
            "probe.knn_k": 5,
            "probe.every_steps": 12,
            "probe.shares": (0.25,),
            "probe.finetune": True,
            "probe.finetune_shares": (0.25,),
        }
    )
    with pytest.MonkeyPatch.context() as patch:  # TensorFlow takes long to import
        patch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)
        patch.setattr(
            "jcl.runtime.metrics.Report.write_score", lambda self, *said: PROBED.append(said)
        )
        train(config, workdir, accept_config_changes=False)
    evaluate(config, workdir)
    return workdir, json.loads((workdir / "results.json").read_text())


def test_the_head_is_scored_in_units_of_the_target(run, archive):
    workdir, results = run
    model, _ = read_model(workdir)
    features, params = jcl.load(workdir)
    with np.load(archive) as arrays:
        x, target = arrays["test_features"], arrays["test_target"].astype(np.float64)
        train_target = arrays["train_target"]
    dense = model["params"]["head"]["dense"]
    seen = model["model_state"]["seen_targets"]
    # 24 steps of 16 are two epochs of the 160 examples and four steps more.
    assert seen["count"] == 24 * 16
    output = np.asarray(features(params, x)) @ np.asarray(dense["kernel"])[:, 0] + dense["bias"]
    predicted = output * float(seen["variance"]) ** 0.5 + float(seen["mean"])
    head = results["head"]
    np.testing.assert_allclose(head["mae"], np.abs(predicted - target).mean(), rtol=1e-4)
    np.testing.assert_allclose(head["spearman"], spearmanr(predicted, target).statistic, atol=1e-3)
    bins, counts = np.unique(np.round(train_target), return_counts=True)
    few = np.array([counts[bins == t].sum() < 20 for t in np.round(target)])
    found = head["regions"]["few"]
    assert found["n"] == few.sum()
    np.testing.assert_allclose(found["mae"], np.abs(predicted - target)[few].mean(), rtol=1e-4)


def test_the_periodic_probe_is_of_targets_too(run):
    _, results = run
    assert [said[:2] for said in PROBED] == [(12, "knn_mae"), (24, "knn_mae")]
    assert PROBED[-1][2] == pytest.approx(results["knn"]["mae"], rel=1e-5)


def test_everything_that_fits_targets_is_measured_and_nothing_else(run):
    workdir, results = run
    kinds = {"knn", "ridge", "geometry", "head", "finetune", "untrained", "inputs"}
    assert set(results) == {"step", "settings", "data", "remarks", *kinds}
    assert set(results["finetune"]) == {"0.25"}
    assert results["finetune"]["0.25"]["examples"] == 40
    assert "top1" not in results["finetune"]["0.25"]
    for scores in (results["ridge"], results["finetune"]["0.25"], results["inputs"]["knn"]):
        low, high = scores["mae_interval"]
        assert low < scores["mae"] < high
    assert results["ridge"]["low_shot"]["0.25"]["examples"] == 40
    assert -1 <= results["geometry"]["ordinality"] <= 1
    pictures = {path.name for path in (workdir / "figures").iterdir()}
    assert pictures == {"loss.png", "map.json", "targets.png"}
