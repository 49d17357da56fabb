"""Groups of what a run has learned, the next run's batches, and features of both."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import flax.errors
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.data import InMemorySource
from jcl.data.groups import read_groups
from jcl.data.prepare.distinct import write_distinct
from jcl.data.text.tokenised import tokenised
from jcl.data.text.words import train_words
from jcl.errors import UserError
from jcl.evaluate import evaluate
from jcl.evaluation import concatenated
from jcl.evaluation.groups import cluster_features, write_groups
from jcl.experiment import open_config
from jcl.probes import Features, results_table
from jcl.train import train
from tests.binaries import command, environment, says_one_sentence
from tests.methods import contract

RANDOM = np.random.RandomState(0)


def test_clusters_are_directions_whatever_the_length():
    direction = np.arange(40) % 3
    lengths = RANDOM.uniform(0.1, 10, (40, 1))
    features = lengths * (np.eye(5)[direction] + 0.02 * RANDOM.normal(size=(40, 5)))
    features = features.astype(np.float32)
    for seed in range(20):  # until three first examples of three directions are drawn
        found = cluster_features(features, clusters=3, seed=seed)
        if len({*zip(direction.tolist(), found.tolist(), strict=True)}) == 3:
            break
    else:
        raise AssertionError("no seed finds directions at right angles")
    np.testing.assert_array_equal(cluster_features(features, clusters=3, seed=seed), found)
    for clusters in (0, 41):
        with pytest.raises(UserError, match=f"clusters={clusters} is impossible with 40"):
            cluster_features(features, clusters=clusters, seed=0)


def config(**data):
    made = contract.make_config("simclr")
    made.data = {"name": "tests.methods.contract:split", **data}
    made.total_steps, made.log_every_steps, made.batch_size = 3, 1, 8
    made.probe.linear_seeds, made.probe.shares, made.probe.baselines = 1, (), False
    return made


@pytest.mark.slow
def test_three_stages(tmp_path, monkeypatch):
    # TensorFlow takes long to import.
    monkeypatch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)
    stages = [tmp_path / f"stage{number}" for number in range(3)]
    files = [None, *(str(tmp_path / f"groups{number}.npz") for number in (1, 2))]
    source, groups = contract.source(), [np.zeros(contract.EXAMPLES, int)]
    for number, (workdir, path) in enumerate(zip(stages, files, strict=True)):
        given = {} if path is None else {"groups": path}
        train(config(**given), workdir, accept_config_changes=False)
        if number < 2:
            made = write_groups(workdir, Path(files[number + 1]), clusters=2)
            np.testing.assert_array_equal(made // 2, groups[-1])  # the history stays
            read = read_groups(files[number + 1], name="x", train=source)
            np.testing.assert_array_equal(read, made)
            groups.append(made)
    assert 2 < len(np.unique(groups[-1])) <= 4
    results = evaluate(open_config(config(groups=files[2])), stages[2], concatenate=stages[:2])
    joined = results["concatenated"]
    assert joined["workdirs"] == [str(stage) for stage in stages[:2]]
    assert 0 <= joined["knn"]["top1"] <= 1
    assert "with other runs' features" in results_table(results)
    assert json.loads((stages[2] / "results.json").read_text())["concatenated"]["linear"]


def test_joined_features_are_unit_rows_side_by_side(monkeypatch):
    values = {"a": RANDOM.normal(size=(6, 3)), "b": RANDOM.normal(size=(6, 2))}
    own = RANDOM.normal(size=(6, 4)).astype(np.float32)
    monkeypatch.setattr(concatenated, "read_run_config", lambda workdir: (workdir, []))
    monkeypatch.setattr(concatenated, "method_of", lambda workdir: None)
    monkeypatch.setattr(concatenated, "read_variables", lambda workdir, step: (None, 0))

    def output_function(config, method, name):
        assert name == "projection"
        return lambda variables, examples: jnp.asarray(values[str(config)], jnp.float32)

    monkeypatch.setattr(concatenated, "output_function", output_function)
    splits = [InMemorySource({"features": np.zeros((6, 1), np.float32)}) for _ in range(2)]
    given = Features(own, {"label": np.arange(6)}), Features(own, {})
    joined = concatenated.concatenate_features([Path("a"), Path("b")], "projection", given, *splits)
    parts = [values["a"], values["b"], own]
    expected = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts]
    for split in joined:
        np.testing.assert_allclose(split.features, np.concatenate(expected, 1), rtol=1e-5)
    np.testing.assert_array_equal(joined[0].known["label"], np.arange(6))


def test_other_runs_take_the_same_inputs_and_read_the_same_words(monkeypatch):
    own, other = (train_words(np.array([text])) for text in ("a disc", "a square"))
    kept = {"same": own, "other": other}
    monkeypatch.setattr(concatenated, "read_run_config", lambda workdir: (None, []))
    monkeypatch.setattr(concatenated, "read_variables", lambda workdir, step: (None, 0))
    monkeypatch.setattr(concatenated, "read_kept", lambda workdir: kept.get(str(workdir)))
    ones, of_texts = np.ones((2, 3), np.float32), SimpleNamespace(feature_parts=("text_encoder",))
    raw = InMemorySource({"text": np.array(["a disc", "disc a"])})
    split, given = tokenised(raw, own, 8, what="it"), Features(ones, {})

    def joined(folder, method, name, apply=lambda variables, examples: ones):
        monkeypatch.setattr(concatenated, "method_of", lambda workdir: method)
        monkeypatch.setattr(concatenated, "output_function", lambda *_: apply)
        folders = [Path(folder)]
        return concatenated.concatenate_features(folders, name, (given, given), split, split)

    assert joined("same", of_texts, "features")[0].features.shape == (2, 6)
    assert joined("other", SimpleNamespace(), "features")[0].features.shape == (2, 6)  # of images
    for folder, method, name in (
        ("other", of_texts, "features"),
        ("none", of_texts, "features"),
        ("other", SimpleNamespace(), "text/features"),
    ):
        with pytest.raises(UserError, match=f"--concatenate={folder}: its tokenizer is another"):
            joined(folder, method, name)

    def refuses(variables, examples):
        raise flax.errors.ScopeParamShapeError("kernel", "/layer0", (5, 6), (4, 6))

    with pytest.raises(UserError, match="--concatenate=same: its networks do not take these"):
        joined("same", of_texts, "features", refuses)


def test_a_name_that_cannot_be_written_is_refused_first(tmp_path):
    for write, absent in (write_groups, tmp_path / "absent"), (write_distinct, "absent"):
        with pytest.raises(UserError, match=r"must end in \.npz"):
            write(absent, tmp_path / "groups.npy")


@pytest.mark.slow
@pytest.mark.parametrize("module", ["jcl.evaluation.groups", "jcl.export"])
def test_variables_in_paths_are_expanded(module):
    arguments = command(module, "--workdir=runs/absent", "--out=$ABSENT/made.npz")
    done = subprocess.run(arguments, env=environment(), capture_output=True, text=True)
    assert done.returncode == 2
    says_one_sentence(done, "$ABSENT, which is not set")
