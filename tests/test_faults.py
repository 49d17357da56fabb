"""What happens to a run when its machines fail: kills, notices, hangs, full disks, bad data."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from jcl.data import InMemorySource
from jcl.errors import UserError
from jcl.runtime.metrics import read_metrics
from jcl.train import train
from jcl.training.checkpoint import saved_steps
from tests import faults
from tests.binaries import (
    ROOT,
    command,
    environment,
    launch_arguments,
    metrics,
    run,
    run_ok,
    start,
    train_arguments,
)
from tests.test_train import shapes_config

LONG = ("--config.total_steps=100000", "--config.checkpoint.every_steps=50000")


def start_and_wait(arguments, workdir, *, steps=5):
    """Starts a program and returns once it has logged that many steps."""
    process = start(arguments)
    deadline = time.monotonic() + 120
    while len(read_metrics(workdir)) < steps:
        assert process.poll() is None, process.communicate()[0][-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


@pytest.mark.slow
def test_a_notice_saves_the_step_and_ends_with_its_own_status(tmp_path):
    workdir = tmp_path / "run"
    arguments = command("jcl.train", *train_arguments(workdir, *LONG))
    process = start_and_wait(arguments, workdir)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 75, output[-3000:]
    (step,) = saved_steps(workdir)
    assert f"preempted: step {step} is saved" in output
    assert [line["step"] for line in metrics(workdir)] == list(range(1, step + 1))


@pytest.mark.slow
def test_ctrl_c_saves_and_a_second_one_kills_and_a_second_run_is_refused(tmp_path):
    workdir = tmp_path / "run"
    # A shell that runs tests in the background has them ignore Ctrl-C.
    arguments = train_arguments(workdir, *LONG)
    binary = ["env", "--default-signal=INT", *command("jcl.train", *arguments)]
    process = start_and_wait(binary, workdir)
    second = run("jcl.train", *arguments)
    assert second.returncode == 2
    assert f"another run is at work in {workdir} (process {process.pid} on" in second.stderr
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 75, output[-3000:]
    (step,) = saved_steps(workdir)
    assert f"preempted: step {step} is saved" in output
    process = start_and_wait(binary, workdir, steps=step + 5)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT, output[-3000:]
    assert saved_steps(workdir) == [step]


@pytest.mark.slow
def test_a_notice_to_one_of_two_processes_saves_once_and_ends_both(tmp_path):
    workdir = tmp_path / "run"
    launcher = start_and_wait(launch_arguments(2, 1, workdir, *LONG), workdir)
    os.kill(faults.trainers_of(launcher)[1], signal.SIGTERM)
    output, _ = launcher.communicate(timeout=60)
    assert launcher.returncode == 75, output[-3000:]
    (step,) = saved_steps(workdir)
    assert output.count(f"preempted: step {step} is saved") == 1


@pytest.mark.slow
def test_a_process_that_stops_is_named_and_ends_the_run(tmp_path):
    workdir = tmp_path / "run"
    limit = "--config.watchdog_seconds=4"
    launcher = start_and_wait(launch_arguments(2, 1, workdir, *LONG, limit), workdir)
    os.kill(faults.trainers_of(launcher)[1], signal.SIGSTOP)
    output, _ = launcher.communicate(timeout=60)
    assert launcher.returncode == 76, output[-3000:]
    assert "process 0 of 2 hangs: step" in output
    assert "process 1 at step" in output
    assert "no sign of life" in output


@pytest.mark.slow
def test_a_killed_process_ends_the_others(tmp_path):
    workdir = tmp_path / "run"
    launcher = start_and_wait(launch_arguments(2, 1, workdir, *LONG), workdir)
    os.kill(faults.trainers_of(launcher)[1], signal.SIGKILL)
    launcher.communicate(timeout=60)
    assert launcher.returncode == 128 + signal.SIGKILL


@pytest.mark.slow
def test_random_kills_lose_nothing(tmp_path):
    kills, _ = faults.check(3, 0, tmp_path, same_topology=True)
    assert kills == 3


@pytest.mark.slow
def test_random_kills_on_random_topologies_lose_nothing(tmp_path):
    kills, _ = faults.check(5, 1, tmp_path, same_topology=False)
    assert kills == 5


@pytest.mark.slow
def test_a_full_disk_ends_the_run_with_the_last_good_step(tmp_path):
    # Beyond 6 KiB a write fails, as it does on a full disk ("File too large").
    workdir = tmp_path / "run"
    arguments = train_arguments(workdir, "--config.log_every_steps=100")
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 6; exec "$@"', "bash", *command("jcl.train", *arguments)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert "error: the checkpoint of step 5 could not be written" in done.stderr
    assert "newest complete one is none" in done.stderr
    run_ok("jcl.train", *train_arguments(workdir))
    assert saved_steps(workdir)[-1] == 40


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)


def test_data_that_cannot_be_read_names_the_step(tmp_path, quiet, monkeypatch):
    read, reads = InMemorySource.batch, iter(range(9))
    monkeypatch.setattr("jcl.train.foretold", lambda config, train: [])  # which reads examples too

    def batch(self, indices):
        if next(reads, None) is None:
            raise UserError("the records of train in data/photos cannot be read")
        return read(self, indices)

    monkeypatch.setattr(InMemorySource, "batch", batch)
    with pytest.raises(UserError, match=r"step \d+ has no batch: .*photos.*from step 4"):
        train(shapes_config(), tmp_path / "run", accept_config_changes=False)
    assert saved_steps(tmp_path / "run") == [4]


def test_metrics_that_cannot_be_written_name_the_step(tmp_path, quiet, monkeypatch):
    written = iter(range(6))

    def write(self, step, values):
        if next(written, None) is None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("jcl.runtime.metrics.MetricsFile.write", write)
    with pytest.raises(UserError, match=r"metrics of step 7 could not be written .*No space"):
        train(shapes_config(), tmp_path / "run", accept_config_changes=False)
    assert saved_steps(tmp_path / "run") == [4]


def test_a_foreign_checkpoint_folder_is_left_alone(tmp_path, quiet):
    workdir = tmp_path / "run"
    train(shapes_config(total_steps=4), workdir, accept_config_changes=False)
    for path in (workdir / "checkpoints" / "4").iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (workdir / "checkpoints" / "4" / "weights.bin").write_text("not Orbax's")
    with pytest.raises(UserError, match=r"none of the checkpoints 4 .* nothing was changed"):
        train(shapes_config(total_steps=4), workdir, accept_config_changes=False)
    assert (workdir / "checkpoints" / "4" / "weights.bin").exists()


def test_checkpoints_without_their_config_are_not_resumed(tmp_path, quiet):
    workdir = tmp_path / "run"
    train(shapes_config(total_steps=4), workdir, accept_config_changes=False)
    (workdir / "config.json").unlink()
    with pytest.raises(UserError, match="not a workdir of jcl"):
        train(shapes_config(total_steps=8), workdir, accept_config_changes=True)
    assert saved_steps(workdir) == [4]


@pytest.mark.slow
def test_a_notice_before_the_first_step_of_a_resumed_run_is_heeded(tmp_path):
    workdir = tmp_path / "run"
    arguments = launch_arguments(2, 1, workdir, *LONG)
    for launch in (1, 2):
        launcher = start_and_wait(arguments, workdir) if launch == 1 else start(arguments)
        if launch == 2:
            # The launch is recorded before its step is compiled.
            deadline = time.monotonic() + 120
            while len(json.loads((workdir / "run.json").read_text())["earlier_launches"]) != 1:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        os.kill(faults.trainers_of(launcher)[1], signal.SIGTERM)
        output, _ = launcher.communicate(timeout=120)
        assert launcher.returncode == 75, output[-3000:]
    first, second = saved_steps(workdir)
    assert second == first + 1
