"""launch/sweep.py: what is said of mistakes, what is skipped, resumed, and run at once.

Most tests put a shell script in the place of Python, so that no run is really trained; the slow
ones interrupt a real sweep, and give one to a real Slurm.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jcl.config import to_json
from launch import sweep as sweep_module
from launch.grid import expand, resolve
from launch.sweep import main, slurm_command
from tests.binaries import ROOT, TINY, command, environment, metrics, run, says_one_sentence
from tests.launch.test_slurm import on_slurm

CONFIG = "--config=configs/simclr_shapes.py"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--grid=batch_sise=3"], ["batch_sise", "batch_size"]),
        (["--grid=method=dcl"], ["method", "method.name"]),
        (["--grid=batch_size=4,x"], ["batch_size", "'x'"]),
        (["--grid=batch_size=4,-1"], ["batch_size=-1", "positive"]),
        (["--grid=batch_size=4,,5"], ["empty"]),
        (["--grid=method.name=simclr,dlc"], ["method.name=dlc", "'dlc' is unknown"]),
        (["--config.method.gamma=0.5"], ["method.gamma='0.5'", "it takes temperature"]),
        (["--grid=views.name=shapes,nonsense"], ["'nonsense' is unknown"]),
        (["--grid=batch_size="], ["KEY=VALUE"]),
        (["--grid=batch_size"], ["KEY=VALUE"]),
        (["--grid=batch_size=4,8,4"], ["4 twice"]),
        (["--grid=encoder.widths=(4,8),(4"], ["brackets"]),
        (["--grid=encoder.widths=4),(4"], ["brackets"]),
        (["--grid=batch_size=4", "--grid=batch_size=8"], ["batch_size is given twice"]),
        (["--grid=batch_size=4", "--config.batch_size=8"], ["batch_size is given twice"]),
        (["--config.seed=8"], ["--seeds"]),
        (["--grid=seed=1,2"], ["--seeds"]),
        (["--grid=method.name=a/b,a:b"], ["same folder", "method.name=a-b"]),
        (["--grid=method.name=" + "x" * 300], ["too long"]),
        (["--seeds=0"], ["--seeds=0"]),
        (["--seeds=two"], ["two"]),
        (["--jobs=0"], ["--jobs=0"]),
        (["--grid=:batc=4"], ["'batc=4' is unknown", "batch"]),
        (["--only=1"], ["--only=1"]),
        (["--only=0", "--slurm=print"], ["--slurm", "--only"]),
        (["--slrum=print"], ["--slrum=print"]),
        (["--config.batch_size", "3"], ["--config.KEY=VALUE"]),
    ],
)
def test_mistakes_get_a_sentence_and_start_nothing(arguments, parts, tmp_path, capfd):
    root = tmp_path / "study"
    assert main([CONFIG, f"--workdir={root}", *arguments]) == 2
    says_one_sentence(subprocess.CompletedProcess([], 2, "", capfd.readouterr().err), *parts)
    assert not root.exists()


def test_an_absent_config_is_a_sentence(tmp_path, capfd):
    assert main(["--config=configs/nope.py", f"--workdir={tmp_path}"]) == 2
    assert "error: the config file configs/nope.py does not exist" in capfd.readouterr().err


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Makes a shell script take Python's place; $2 is the module, $workdir the run's."""

    def write(body):
        script = tmp_path / "python"
        find = 'for a; do case "$a" in --workdir=*) workdir="${a#--workdir=}";; esac; done\n'
        record = f'echo "$2" "$(basename "$workdir")" >> "{tmp_path}/calls"\n'
        write_results = '[ "$2" = jcl.evaluate ] && echo "{}" > "$workdir/results.json"\nexit 0\n'
        script.write_text("#!/bin/sh\n" + find + record + body + "\n" + write_results)
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))

    return write


def calls(tmp_path):
    return (tmp_path / "calls").read_text().splitlines()


def sweep_of_two(tmp_path, *extra, config=CONFIG):
    """Sweeps; the stand-in for training saves no config, so this does."""
    common = "--config.total_steps=4"
    given = "--grid=batch_size=16,32", common
    status = main([config, f"--workdir={tmp_path}/study", *given, *extra])
    for one in expand(["batch_size=16,32"], seeds=1, common=[common]):
        folder = tmp_path / "study" / one.name
        if folder.exists() and not (folder / "config.json").exists():
            saved = to_json(resolve(one, config.removeprefix("--config=")))
            (folder / "config.json").write_text(saved)
    return status


def test_what_is_done_is_skipped_and_another_setting_refused(program, tmp_path, capfd):
    program("echo hello")
    assert sweep_of_two(tmp_path) == 0
    first, second = "batch_size=16,seed=0", "batch_size=32,seed=0"
    both = [f"{m} {name}" for name in (first, second) for m in ("jcl.train", "jcl.evaluate")]
    assert calls(tmp_path) == both
    assert "hello" in (tmp_path / "study" / first / "log.txt").read_text()

    assert sweep_of_two(tmp_path) == 0
    assert calls(tmp_path) == both
    assert "2 done already" in capfd.readouterr().err

    (tmp_path / "study" / second / "results.json").unlink()
    assert sweep_of_two(tmp_path) == 0
    assert calls(tmp_path) == both + both[2:]

    capfd.readouterr()
    assert sweep_of_two(tmp_path, "--config.method.temperature=0.3") == 2
    error = capfd.readouterr().err
    assert first in error
    assert "method.temperature: 0.2 -> 0.3" in error
    assert calls(tmp_path) == both + both[2:]


def test_a_config_file_that_says_something_else_now_is_refused(program, tmp_path, capfd):
    program("")
    file = tmp_path / "mine.py"
    text = "from configs import simclr_shapes\n\n\ndef get_config():\n"
    text += "    config = simclr_shapes.get_config()\n    config.method.temperature = %s\n"
    file.write_text(text % 0.2 + "    return config\n")
    assert sweep_of_two(tmp_path, config=f"--config={file}") == 0
    file.write_text(text % 0.3 + "    return config\n")
    assert sweep_of_two(tmp_path, config=f"--config={file}") == 2
    error = capfd.readouterr().err
    assert "another setting (method.temperature: 0.2 -> 0.3)" in error


def test_one_that_fails_does_not_keep_the_others_from_running(program, tmp_path, capfd):
    program('case "$workdir" in *=16*) echo "error: no luck"; echo "bye"; exit 3;; esac')
    assert sweep_of_two(tmp_path) == 1
    assert calls(tmp_path)[-1] == "jcl.evaluate batch_size=32,seed=0"
    said = capfd.readouterr().err
    assert "1 of 2 runs failed" in said
    assert "batch_size=16,seed=0: jcl.train ended with status 3: error: no luck" in said
    assert not (tmp_path / "study" / "batch_size=16,seed=0" / "sweep.json").exists()


def test_one_that_was_preempted_starts_again_but_not_for_ever(program, tmp_path, capfd):
    program('[ -e "$workdir/again" ] || { touch "$workdir/again"; exit 75; }')
    assert sweep_of_two(tmp_path, "--only=1") == 0
    name = "batch_size=32,seed=0"
    assert calls(tmp_path) == [f"jcl.train {name}"] * 2 + [f"jcl.evaluate {name}"]

    (tmp_path / "calls").unlink()
    program("exit 75")
    assert sweep_of_two(tmp_path, "--only=0") == 1
    assert len(calls(tmp_path)) == sweep_module._MOST_STARTS
    assert "status 75" in capfd.readouterr().err


def test_two_sweeps_do_not_run_the_same_run(program, tmp_path, capfd):
    program("")
    folder = tmp_path / "study" / "batch_size=16,seed=0"
    folder.mkdir(parents=True)
    with open(folder / "log.txt", "a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert sweep_of_two(tmp_path) == 1
    assert {line.split()[1] for line in calls(tmp_path)} == {"batch_size=32,seed=0"}
    assert "another sweep" in capfd.readouterr().err


def test_jobs_run_at_the_same_time(program, tmp_path):
    """Each waits for the other to have started, which one at a time would never end."""
    study = tmp_path / "study"
    program(
        f'touch "$workdir/here"; i=0; while [ $i -lt 200 ]; do i=$((i + 1)); sleep 0.05; '
        f'[ "$(find "{study}" -name here | wc -l)" -eq 2 ] && break; done; [ $i -lt 200 ] || exit 1'
    )
    assert sweep_of_two(tmp_path, "--jobs=2") == 0


def is_alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"  # nobody waited for it
    except OSError:
        return False


def test_a_second_ctrl_c_ends_the_processes_of_a_run_too(tmp_path):
    children, statuses = sweep_module.Children(), []
    script = "trap '' TERM; sleep 300 & echo $!; wait"
    with open(tmp_path / "log", "w") as log:
        running = threading.Thread(
            target=lambda: statuses.append(children.run(["bash", "-c", script], log))
        )
        running.start()
        while not (said := (tmp_path / "log").read_text().strip()):
            time.sleep(0.02)
        for _ in range(2):
            children.stop(signal.SIGINT)
        running.join()
    assert statuses == [-signal.SIGKILL]
    deadline = time.monotonic() + 20
    while is_alive(said):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_slurm_gets_the_runs_that_are_not_done(program, tmp_path, capfd):
    program("")
    assert sweep_of_two(tmp_path, "--only=0") == 0
    capfd.readouterr()
    assert sweep_of_two(tmp_path, "--seeds=3", "--slurm=print", "--jobs=2") == 0
    [line] = capfd.readouterr().out.splitlines()
    assert line == (
        f"sbatch --array=1-5%2 launch/sweep.sbatch {CONFIG} --workdir={tmp_path}/study "
        "--grid=batch_size=16,32 --seeds=3 --config.total_steps=4"
    )
    assert slurm_command([], [0, 1, 2, 5, 7, 8], jobs=None)[1] == "--array=0-2,5,7-8"


def test_the_slurm_script_runs_one_run_and_requeues_at_75(tmp_path):
    """With stand-ins for srun and scontrol."""
    record = tmp_path / "record"
    for name, status in (("srun", 75), ("scontrol", 0)):
        stand_in = tmp_path / name
        stand_in.write_text(f'#!/bin/sh\necho {name} "$@" >> "{record}"\nexit {status}\n')
        stand_in.chmod(0o755)
    script = ROOT / "launch" / "sweep.sbatch"
    subprocess.run(["bash", "-n", script], check=True)
    slurm = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3", "SLURM_JOB_NODELIST": "n"}
    done = subprocess.run(
        ["bash", script, CONFIG, "--seeds=3"],
        env={**os.environ, **slurm, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHON": "py"},
        capture_output=True,
    )
    assert done.returncode == 75
    assert record.read_text().splitlines() == [
        f"srun py -m launch.sweep {CONFIG} --seeds=3 --only=3",
        "scontrol requeue 7_3",
    ]


@pytest.mark.slow
def test_slurm_runs_the_grid_as_an_array(tmp_path):
    workdir, log = tmp_path / "study", tmp_path / "%a.log"
    resources = "--gres=none", "--cpus-per-task=1", "--time=15", f"--output={log}"
    done = on_slurm(
        *("sbatch", "--wait", *resources, "--array=0-1%1", "launch/sweep.sbatch", CONFIG),
        *(f"--workdir={workdir}", "--grid=method.name=simclr,dcl", *TINY),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("simclr", "dcl"):
        run_folder = workdir / f"method.name={name},seed=0"
        assert (run_folder / "sweep.json").exists()
        assert metrics(run_folder)[-1]["step"] == 40


@pytest.mark.slow
def test_an_interrupted_sweep_goes_on_where_it_stopped(tmp_path):
    length = "--config.total_steps=400", "--config.checkpoint.every_steps=50"
    tiny = [flag for flag in TINY if "steps" not in flag] + ["--config.log_every_steps=1", *length]
    grid = "--grid=method.name=simclr,dcl"
    arguments = [CONFIG, f"--workdir={tmp_path}", grid, *tiny]
    first, second = (tmp_path / f"method.name={name},seed=0" for name in ("simclr", "dcl"))
    started = subprocess.Popen(
        command("launch.sweep", *arguments),
        cwd=ROOT,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 300
    while not (second / "metrics.jsonl").exists() or len(metrics(second)) < 20:
        assert started.poll() is None, started.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=100)
    assert started.returncode == 75, said
    assert "stopped" in said
    assert (first / "sweep.json").exists()
    assert not (second / "sweep.json").exists()
    stopped_at = metrics(second)[-1]["step"]
    assert 20 <= stopped_at < 400
    assert (second / "checkpoints" / str(stopped_at)).is_dir()
    before = modification_times(first)

    again = run("launch.sweep", *arguments)
    assert again.returncode == 0, again.stderr
    assert "2 runs in" in again.stderr
    assert "1 done already" in again.stderr
    assert modification_times(first) == before
    assert [line["step"] for line in metrics(second)] == list(range(1, 401))
    assert json.loads((second / "run.json").read_text())["start_step"] == stopped_at
    assert json.loads((second / "results.json").read_text())["step"] == 400

    third = run("launch.sweep", *arguments)
    assert third.returncode == 0
    assert "2 done already" in third.stderr


def modification_times(folder: Path):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
