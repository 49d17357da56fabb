"""The binaries from outside: resume after kill -9, evaluate, errors in one sentence."""

import importlib.util
import json
import random
import shlex
import subprocess

import pytest

from jcl.training.checkpoint import read_model
from tests.binaries import (
    ROOT,
    command,
    environment,
    metrics,
    run,
    run_ok,
    run_until,
    says_one_sentence,
    train_arguments,
    untimed,
)
from tests.tiny import assert_same_bits


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """40 steps without interruption."""
    workdir = tmp_path_factory.mktemp("straight") / "run"
    run_ok("jcl.train", *train_arguments(workdir))
    return workdir


def kill_and_restart(workdir, moments, *extra):
    """Kills training when metrics.jsonl has grown past each of `moments`, then lets it finish."""
    kills = 0
    for moment in moments:

        def reached(moment=moment):
            path = workdir / "metrics.jsonl"
            return path.exists() and path.read_text().count("\n") >= moment

        kills += run_until("jcl.train", *train_arguments(workdir, *extra), condition=reached) != 0
    run_ok("jcl.train", *train_arguments(workdir, *extra))
    return kills


def assert_same_run(workdir, straight):
    assert untimed(metrics(workdir)) == untimed(metrics(straight))
    assert_same_bits(read_model(workdir)[0], read_model(straight)[0])


def test_the_straight_run_leaves_a_self_describing_workdir(straight):
    lines = metrics(straight)
    assert [line["step"] for line in lines] == list(range(1, 41))
    expected = {"loss", "learning_rate", "gradient_norm", "batch_hash", "positive_similarity"}
    expected |= {"negative_similarity", "embedding_spread", "examples_per_second", "step_seconds"}
    assert expected | {"data_wait_seconds"} <= set(lines[0])
    assert (straight / "checkpoints" / "40").is_dir()
    assert json.loads((straight / "config.json").read_text())["mesh"] == {"data": -1, "fsdp": 1}
    record = json.loads((straight / "run.json").read_text())
    assert {"git_commit", "packages", "command_line", "devices"} <= set(record)
    has_tensorflow = importlib.util.find_spec("tensorflow") is not None
    assert any(straight.glob("events.out.tfevents.*")) == has_tensorflow


def test_killed_runs_continue_as_if_nothing_had_happened(straight, tmp_path):
    workdir = tmp_path / "run"
    kills = kill_and_restart(workdir, moments=(17,))
    assert kills == 1
    assert_same_run(workdir, straight)
    assert len(json.loads((workdir / "run.json").read_text())["earlier_launches"]) == 1


@pytest.mark.slow
def test_many_random_kills(straight, tmp_path):
    workdir = tmp_path / "run"
    moments = sorted(random.sample(range(1, 40), 8))
    print("killing at", moments)
    assert kill_and_restart(workdir, moments) >= 6
    assert_same_run(workdir, straight)


def test_a_complete_run_is_left_alone(straight):
    before = (straight / "metrics.jsonl").read_bytes()
    done = run_ok("jcl.train", *train_arguments(straight))
    assert "is complete: step 40 of 40" in done.stderr
    assert (straight / "metrics.jsonl").read_bytes() == before


@pytest.mark.slow
def test_a_changed_config_is_named_and_stops(straight):
    changed = train_arguments(straight, "--config.method.temperature=0.5", "--config.seed=3")
    done = run("jcl.train", *changed)
    says_one_sentence(done, "seed: 0 -> 3", "method.temperature: 0.2 -> 0.5", "--accept_config")
    assert json.loads((straight / "config.json").read_text())["seed"] == 0


@pytest.mark.slow
def test_evaluate_of_a_chosen_step_has_its_own_file(straight):
    overrides = (
        *("--config.probe.knn_k=5", "--noconfig.probe.baselines"),
        "--config.probe.shares=()",
    )
    done = run_ok("jcl.evaluate", f"--workdir={straight}", "--step=35", *overrides)
    assert "trained encoder, step 35" in done.stdout
    results = json.loads((straight / "results-35.json").read_text())
    assert (results["step"], results["knn"]["k"]) == (35, 5)
    assert not {"untrained", "pixels"} & set(results)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--config.batch_sise=4"], ["batch_sise"]),
        (["--config.init_from=/nowhere/at/all"], ["/nowhere/at/all"]),
        (["--config=configs/dcl_cifar10.py:bach=4"], ["bach=4", "batch=128"]),
        (["--accept_config_change=3", "-x"], ["accept_config_change"]),
        (["batch_size=4"], ["unexpected argument 'batch_size=4'"]),
    ],
    ids=["key", "init_from", "argument", "flag", "no flag"],
)
def test_mistakes_end_in_one_sentence(arguments, says, tmp_path):
    """`tests.config.test_command_line` and `tests.test_train` have the others."""
    done = run("jcl.train", *train_arguments(tmp_path / "run", *arguments))
    says_one_sentence(done, *says)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_names_are_listed_without_a_run():
    said = run_ok("jcl.train", "--list=method.supremix").stdout
    assert "  window       float  5.0 " in said
    says_one_sentence(run("jcl.train", "--list=metod"), "there are run, data, views, optimizer")


def test_a_missing_dataset_is_one_sentence_that_says_how_to_make_it(tmp_path):
    done = run(
        "jcl.train",
        "--config=configs/simclr_fashion_mnist.py",
        f"--config.data.dir={tmp_path}",
        f"--workdir={tmp_path}/run",
    )
    says_one_sentence(done, "fashion_mnist", str(tmp_path))
    assert not (tmp_path / "run").exists()


def test_a_workdir_that_cannot_be_written_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    says_one_sentence(run("jcl.train", *train_arguments(blocked / "run")), str(blocked), "written")


def test_evaluate_of_nothing_is_one_sentence(tmp_path):
    done = run("jcl.evaluate", f"--workdir={tmp_path}")
    says_one_sentence(done, str(tmp_path), "not a workdir of jcl")


@pytest.mark.slow
def test_compile_only_needs_neither_data_nor_a_workdir(tmp_path):
    done = run_ok(
        "jcl.train",
        "--config=configs/simclr_cifar10.py:batch=8",
        f"--config.data.dir={tmp_path}",
        "--config.encoder.name=vit_ti",
        "--config.encoder.depth=1",
        "--compile_only",
        devices=2,
    )
    assert "encoder.stem of the config file: dropped with what vit_ti replaces" in done.stderr
    assert "simclr with vit_ti, mlp; 8 examples a step" in done.stdout
    for word in ("parameters", "analytic", "by XLA", "GiB", "for 2 x cpu"):
        assert word in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_without_a_workdir_nothing_trains():
    says_one_sentence(run("jcl.train", "--config=configs/simclr_shapes.py"), "--workdir=DIR")


@pytest.mark.slow
def test_a_list_may_be_read_in_part():
    line = shlex.join(command("jcl.train", "--list"))
    pipe = f"set -o pipefail; {line} | true"
    done = subprocess.run(["bash", "-c", pipe], cwd=ROOT, env=environment(), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
