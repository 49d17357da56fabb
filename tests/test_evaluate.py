"""`jcl.evaluate.evaluate` in this process, on a run of the embedded dataset."""

import json

import jax
import numpy as np
import pytest

import jcl
from jcl.config.file import read_config_file
from jcl.data import open_source
from jcl.errors import UserError
from jcl.evaluate import evaluate
from jcl.experiment import read_command_line
from jcl.probes import knn_target_scores, raw_inputs, results_table
from jcl.probes.kept_map import SPRITE, read_map
from jcl.runtime.workdir import read_config
from jcl.train import train
from jcl.training.checkpoint import read_model
from tests.binaries import TINY


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Eight steps, with checkpoints of the fourth and the last."""
    workdir = tmp_path_factory.mktemp("evaluated") / "run"
    flags = *TINY, "--config.total_steps=8", "--config.checkpoint.every_steps=4"
    config, _, _ = read_command_line(read_config_file("configs/simclr_shapes.py"), flags)
    with pytest.MonkeyPatch.context() as patch:  # TensorFlow takes long to import
        patch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)
        train(config, workdir, accept_config_changes=False)
    return workdir


def evaluated(workdir, *flags, **options):
    """What the binary does with these flags."""
    config, rest, _ = read_command_line(read_config(workdir), flags)
    assert rest == []
    return evaluate(config, workdir, **options)


def test_all_that_a_run_is_measured_by(run, tmp_path, caplog):
    export = tmp_path / "features.npz"
    # 0.01 of 64 examples is too little.
    flags = "--config.probe.shares=(0.01,0.5)", "--config.probe.outputs=('features','projection')"
    results = evaluated(run, *flags, export_features=export)
    assert "0.01 of 64 training examples is 8, but 10 are needed" in caplog.text
    table = results_table(results)
    for row in ("raw pixels", "untrained encoder", "trained encoder, step 8", "its projection"):
        assert row in table
    assert "50% (32)" in table
    assert json.loads((run / "results.json").read_text()) == json.loads(json.dumps(results))
    assert results["step"] == 8
    for block in (results, results["untrained"], results["pixels"], results["projection"]):
        assert 0 <= block["knn"]["top1"] <= 1
        assert {"top1", "top1_std"} <= set(block["linear"])
        assert {"mae", "mae_interval", "regions", "spearman"} <= set(block["ridge"])
        assert 0 < block["knn"]["mae"] < 1
    for block in (results, results["untrained"]):
        assert block["linear"]["low_shot"]["0.5"]["examples"] == 32
        assert 0 < block["ridge"]["low_shot"]["0.5"]["mae"] < 1
    assert {"alignment", "uniformity", "tolerance", "ordinality"} <= set(results["geometry"])
    assert 1 <= results["geometry"]["effective_rank"] <= results["geometry"]["width"] == 8
    assert 0 < results["geometry"]["spread"] < 1
    assert results["knn"]["k"] == 20
    for name in ("views", "loss", "embeddings", "targets"):
        assert (run / "figures" / f"{name}.png").stat().st_size > 1000
    assert len(read_map(run / "figures").rows) == 32
    assert (run / "figures" / SPRITE).exists()

    features = np.load(export)
    assert features["train_features"].shape == (64, 8)
    images = open_source("shapes", "test", test_examples=32).batch(np.arange(32))["image"]
    apply, params = jcl.load(run)
    np.testing.assert_allclose(apply(params, images), features["test_features"], atol=1e-5)
    projected = (projected_by_hand(run, features[f"{s}_features"]) for s in ("train", "test"))
    train, test = projected
    expected = knn_target_scores(
        *(train, features["train_target"], test, features["test_target"]), k=20, temperature=0.07
    )
    np.testing.assert_allclose(results["projection"]["knn"]["mae"], expected["mae"], rtol=1e-4)
    assert abs(expected["mae"] / results["knn"]["mae"] - 1) > 1e-3


def projected_by_hand(workdir, features):
    """Dense, BatchNorm with its running statistics, ReLU, Dense."""
    model, _ = read_model(workdir)
    params = jax.tree.map(np.asarray, model["params"]["projector"])
    (statistics,) = jax.tree.map(np.asarray, model["model_state"]["projector"]).values()
    hidden = features @ params["dense0"]["kernel"] - statistics["mean"]
    hidden *= params["batch_norm0"]["scale"] / np.sqrt(statistics["var"] + 1e-5)
    hidden = np.maximum(hidden + params["batch_norm0"]["bias"], 0)
    return hidden @ params["dense1"]["kernel"] + params["dense1"]["bias"]


@pytest.mark.slow
def test_other_data_have_a_file_of_their_own(run, tmp_path):
    own = run / "results.json"
    before = own.read_bytes() if own.exists() else None
    random = np.random.RandomState(0)
    arrays = {
        f"{split}_{key}": value
        for split, n in (("train", 12), ("test", 1))
        for key, value in (
            ("image", random.randint(0, 256, (n, 24, 24, 3)).astype(np.uint8)),
            ("label", np.arange(n) % 2),
        )
    }
    np.savez(tmp_path / "few.npz", **arrays)
    # Fewer examples than the run's batch, and one to test: what is not defined is not measured.
    small = "--config.probe.baselines=False", "--config.probe.knn_k=5"
    evaluated(run, f"--config.data.name=arrays:{tmp_path}/few.npz", *small)
    results = json.loads((run / "results-few.json").read_text())
    assert (run / "figures-few" / "views.png").exists()
    assert results["data"]["name"] == f"arrays:{tmp_path}/few.npz"
    assert results["geometry"]["uniformity"] is results["geometry"]["tolerance"] is None
    assert (own.read_bytes() if own.exists() else None) == before


def test_what_does_not_fit_is_refused(run, tmp_path):
    with pytest.raises(UserError, match=r"step 8 does not fit.*another shape: params/projector/"):
        evaluated(run, "--config.encoder.widths=(4,)")
    with pytest.raises(UserError, match=r"ends in \.npz"):
        evaluated(run, export_features=tmp_path / "features.txt")
    with pytest.raises(UserError, match="holds no checkpoint of step 5; there are: 4, 8"):
        evaluated(run, step=5)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["pixpro", "simclr"])
def test_cells_are_scored_where_examples_have_masks(method, tmp_path, monkeypatch):
    """Of the method's own map, and of an untrained encoder's."""
    config = read_config_file(f"configs/pixpro_scenes.py:method={method}")
    flags = *TINY, "--config.total_steps=4", "--config.encoder.widths=(4,4,8)"
    config, _, _ = read_command_line(config, flags)
    monkeypatch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)
    train(config, tmp_path, accept_config_changes=False)
    # Thousands of raw pixels take the multi-label probe minutes.
    few = lambda source: (x := raw_inputs(source))._replace(features=x.features[:, :4])  # noqa: E731
    monkeypatch.setattr("jcl.evaluate.raw_inputs", few)
    results = evaluated(tmp_path)
    for block in (results, results["untrained"]):
        assert 0 < block["cells"]["top1"] < 1
    assert "shape of a cell" in results_table(results)
