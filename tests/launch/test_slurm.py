"""launch/slurm.sbatch on a real Slurm of one machine, which launch/slurm_local.sh brings up."""

import json
import os
import re
import subprocess
import sys

import pytest

from launch import slurm_demo
from tests.binaries import ROOT, metrics, untimed


def on_slurm(*command, timeout=1500):
    done = subprocess.run(
        [ROOT / "launch" / "slurm_local.sh", *command],
        cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )
    cannot = re.search("error: (Slurm is not|Slurm's daemons|apt-get could not).*", done.stderr)
    if cannot:
        pytest.skip(cannot[0])
    return done


@pytest.mark.slow
def test_a_run_taken_away_twice_is_the_run_left_alone(tmp_path):
    done = on_slurm(sys.executable, "launch/slurm_demo.py", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    taken, alone = tmp_path / "run", tmp_path / "alone"
    launches = slurm_demo.read_launches(taken)
    assert len(launches) == 3
    assert [launch["processes"] for launch in launches] == [2, 2, 2]
    # The second time the batch script has seen the status, and has asked for the requeue itself.
    log = (tmp_path / "slurm.log").read_text()
    assert re.findall(r"jcl.train ended with status (\d+)", log) == ["75", "0"]
    assert re.findall(r"start (\d),", log) == ["0", "1", "2"]

    # The same two processes without Slurm, and never interrupted: the same to the last bit.
    launcher = sys.executable, "launch/local.py", "--processes=2", "--"
    subprocess.run(
        [*launcher, *slurm_demo.TRAIN, f"--workdir={alone}"],
        cwd=ROOT,
        check=True,
        timeout=600,
        capture_output=True,
    )
    assert untimed(metrics(taken)) == untimed(metrics(alone))


@pytest.mark.slow
def test_a_mistake_is_not_requeued(tmp_path):
    log = tmp_path / "log"
    done = on_slurm(
        *("sbatch", "--wait", *slurm_demo.RESOURCES, f"--output={log}", "launch/slurm.sbatch"),
        *(*slurm_demo.TRAIN, "--config.bach_size=4", f"--workdir={tmp_path}/run"),
    )
    assert done.returncode == 2, done.stderr
    assert "bach_size" in log.read_text()
    assert re.findall(r"start (\d),", log.read_text()) == ["0"]


def test_not_submitted_but_run_it_says_so():
    environment = {key: value for key, value in os.environ.items() if key != "SLURM_JOB_ID"}
    command = "bash", ROOT / "launch" / "slurm.sbatch", "--config=x"
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "error: this is a batch script: sbatch launch/slurm.sbatch --config=... --workdir=...\n"
    )


def test_the_demonstration_sees_a_run_that_went_wrong(tmp_path):
    """A step twice, a launch too few, and a launch from the start again."""

    def write(steps, starts):
        lines = [json.dumps({"step": step}) for step in steps]
        (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
        first, *rest = [{"start_step": start, "processes": 2} for start in reversed(starts)]
        run = {**first, "earlier_launches": rest[::-1]}
        (tmp_path / "run.json").write_text(json.dumps(run))

    steps = list(range(1, slurm_demo.STEPS + 1))
    write(steps, [0, 20, 40])
    assert slurm_demo.check(tmp_path)
    for wrong in (
        ([*steps[:30], *steps[20:]], [0, 20, 40]),
        (steps[:-1], [0, 20, 40]),
        (steps, [0, 20]),
        (steps, [0, 20, 0]),
    ):
        write(*wrong)
        with pytest.raises(AssertionError):
            slurm_demo.check(tmp_path)
