"""Training with several real processes: the same examples, the same curve, the same files."""

import json
import shutil
import subprocess

import jax
import numpy as np
import pytest

from jcl.data.order import batch_indices
from jcl.mesh import make_mesh
from jcl.training.checkpoint import read_model
from tests.binaries import (
    ROOT,
    command,
    environment,
    free_address,
    launch_arguments,
    metrics,
    run,
    run_ok,
    run_together,
    says_one_sentence,
    start,
    train_arguments,
)
from tests.process_worker import CONFIG, LAYOUTS
from tests.tiny import largest_difference, tiny_config, train

FLOAT64 = ("--config.precision=float64", "--config.total_steps=12", "--config.fsdp_min_size=1")


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two_processes")
    run_together("tests.process_worker", folder, processes=2, devices=2)
    return folder


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_loader_brings_each_example_to_its_place(layout, two_processes):
    seen = [np.load(two_processes / f"{layout} {process}.npz")["seen"] for process in (0, 1)]
    config = tiny_config(**CONFIG)
    expected = np.stack(
        [
            batch_indices(t, n=64, batch_size=config.batch_size, seed=config.seed)
            for t in range(config.total_steps)
        ]
    )
    held = np.stack(seen) >= 0
    assert (held.sum(axis=0) == 1).all()  # each position by one process
    assert held[0].sum() == held[1].sum()
    np.testing.assert_array_equal(np.maximum(*seen), expected)


@pytest.fixture(scope="module")
def one_process():
    with jax.enable_x64(True):
        return train(tiny_config(**CONFIG), make_mesh(devices=jax.devices()[:4])).losses


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_curve_is_that_of_one_process(layout, two_processes, one_process):
    assert np.ptp(one_process) > 0.01
    for process in (0, 1):
        losses = np.load(two_processes / f"{layout} {process}.npz")["losses"]
        np.testing.assert_allclose(losses, one_process, rtol=0, atol=1e-9)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The binary in one process with four devices."""
    workdir = tmp_path_factory.mktemp("straight") / "run"
    run_ok("jcl.train", *train_arguments(workdir, *FLOAT64), devices=4)
    return workdir


def launch(processes, devices, workdir, *extra, timeout=300):
    return subprocess.run(
        launch_arguments(processes, devices, workdir, *extra),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "devices", "fsdp"), [(2, 2, 4), (4, 1, 2)], ids=str)
def test_the_binary_leaves_the_same_in_several_processes(
    processes, devices, fsdp, straight, tmp_path
):
    workdir = tmp_path / "run"
    probe = "--config.probe.every_steps=6"
    done = launch(processes, devices, workdir, *FLOAT64, probe, f"--config.mesh.fsdp={fsdp}")
    assert done.returncode == 0, done.stdout[-3000:]

    ours, theirs = metrics(workdir), metrics(straight)
    for key in ("step", "batch_hash"):
        assert [line[key] for line in ours] == [line[key] for line in theirs]
    for key in ("loss", "gradient_norm", "positive_similarity"):
        values = [[line[key] for line in lines] for lines in (ours, theirs)]
        np.testing.assert_allclose(*values, rtol=1e-9, atol=1e-9, err_msg=key)
    with jax.enable_x64(True):
        assert largest_difference(read_model(workdir)[0], read_model(straight)[0]) < 1e-9
    assert json.loads((workdir / "run.json").read_text())["processes"] == processes
    # One process goes on where several were, from the step in between.
    shutil.rmtree(workdir / "checkpoints" / "12")
    run_ok("jcl.train", *train_arguments(workdir, *FLOAT64, probe), devices=2)
    assert json.loads((workdir / "run.json").read_text())["start_step"] == 10
    np.testing.assert_allclose(
        [line["loss"] for line in metrics(workdir)],
        [line["loss"] for line in theirs],
        rtol=0,
        atol=1e-9,
    )
    # One process speaks, in lines that say which.
    lines = [line for line in done.stdout.splitlines() if "compiled the step" in line]
    assert [line[:4] for line in lines] == ["[0] "]
    assert done.stdout.count("kNN top-1") == 2


def test_a_mistake_ends_all_processes_and_names_one(tmp_path):
    done = launch(2, 1, tmp_path / "run", "--config.batch_size=17", timeout=60)
    assert done.returncode == 2
    assert "process 1 of 2: A batch of 17 does not divide" in done.stdout or (
        "process 0 of 2: A batch of 17 does not divide" in done.stdout
    )


@pytest.mark.slow
def test_a_workdir_that_is_not_shared_stops_all(tmp_path):
    together = (f"--coordinator={free_address()}", "--processes=2")
    started = [
        start(
            command("jcl.train", *train_arguments(tmp_path / str(i)), *together, f"--process={i}")
        )
        for i in (0, 1)
    ]
    said = [process.communicate(timeout=120)[0] for process in started]
    # Whoever ends first may take the other with it.
    assert 2 in [process.returncode for process in started]
    assert any("is not the same folder in all processes" in text for text in said)
    assert not (tmp_path / "0" / "checkpoints").exists()


def test_half_given_flags_are_one_sentence(tmp_path):
    done = run("jcl.train", *train_arguments(tmp_path / "run"), "--processes=2", "--process=0")
    says_one_sentence(done, "processes=2", "coordinator=None")
