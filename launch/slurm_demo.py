"""Preempts a two-process Slurm run twice, and checks that it ends as if never interrupted.

    launch/slurm_local.sh .venv/bin/python launch/slurm_demo.py [FOLDER]

Submits launch/slurm.sbatch with a tiny run on CPUs. First Slurm takes the job back, `scontrol
requeue`, as it does at a preemption. Then the job is only told to end, SIGTERM, as some time before
its limit, and requeues itself. The workdir, FOLDER/run, must then hold every step once and three
launches, each from where the one before had saved. About a minute and a half on two cores.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
STEPS = 400
TRAIN = (
    "--config=configs/simclr_shapes.py",
    f"--config.total_steps={STEPS}",
    "--config.batch_size=16",
    "--config.data.train_examples=64",
    "--config.data.test_examples=32",
    "--config.encoder.widths=(4,8)",
    "--config.projector.hidden_dim=8",
    "--config.projector.output_dim=8",
    "--config.log_every_steps=1",
    "--config.checkpoint.every_steps=20",
)
# A job that is to start again is COMPLETING, then PENDING.
UNDER_WAY = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "REQUEUED")
RESOURCES = ("--nodes=1", "--ntasks-per-node=2", "--cpus-per-task=1", "--gres=none", "--time=15")


def main() -> None:
    """Submits, takes away twice, waits, checks."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    workdir, log = folder / "run", folder / "slurm.log"
    began = time.monotonic()
    job = _slurm(
        *("sbatch", "--parsable", *RESOURCES, f"--output={log}", "launch/slurm.sbatch"),
        *(*TRAIN, f"--workdir={workdir}"),
        PYTHON=sys.executable,
        JAX_PLATFORMS="cpu",
        JAX_NUM_CPU_DEVICES="1",
    )

    def say(text):
        print(f"{time.monotonic() - began:5.0f} s  {text}", flush=True)

    try:
        say(f"submitted job {job}, two processes, {STEPS} steps")
        say(f"launch 1 has saved step {_wait_for_save(job, workdir, launch=1)}")
        _slurm("scontrol", "requeue", job)
        say("took it away: scontrol requeue")
        say(f"launch 2 has saved step {_wait_for_save(job, workdir, launch=2)}")
        _slurm("scancel", "--signal=TERM", job)
        say("told it to end: SIGTERM")
        state = _wait_for_end(job)
        say(f"it ended: {state}")
        assert state.startswith("COMPLETED 0:0"), state
        for line in check(workdir):
            say(line)
    except BaseException:
        print(log.read_text()[-5000:] if log.exists() else "no log", file=sys.stderr)
        raise
    finally:
        subprocess.run(("scancel", "--full", job), stderr=subprocess.DEVNULL)


def check(workdir: Path) -> list[str]:
    """Asserts what the workdir of a run that was taken away twice must hold; says what it found."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, STEPS + 1))
    launches = read_launches(workdir)
    starts = [launch["start_step"] for launch in launches]
    assert [launch["processes"] for launch in launches] == [2, 2, 2]
    assert starts[0] == 0 < starts[1] < starts[2] < STEPS, starts
    return [f"every step of {STEPS} is there once", f"its launches began after steps {starts}"]


def _slurm(*command: str, **variables: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **variables}, text=True, stdout=subprocess.PIPE
    )
    if done.returncode:
        sys.exit(f"error: {command[0]} failed; bring Slurm up with launch/slurm_local.sh")
    return done.stdout.strip()


def read_launches(workdir: Path) -> list[dict]:
    """What run.json says of each launch, the first one first."""
    run = json.loads((workdir / "run.json").read_text())
    return [*run.pop("earlier_launches"), run]


def _wait_for_save(job: str, workdir: Path, *, launch: int, seconds: float = 400) -> int:
    """Returns the newest step that the given launch has saved, once there is one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.1)
        if (state := _state(job)).split()[0] not in UNDER_WAY:
            raise RuntimeError(f"job {job} has ended before it was taken away: {state}")
        try:
            launches = read_launches(workdir)
            saved = [int(p.name) for p in (workdir / "checkpoints").iterdir() if p.name.isdigit()]
        except FileNotFoundError:
            continue
        if len(launches) == launch and max(saved, default=0) > launches[-1]["start_step"]:
            return max(saved)
    raise TimeoutError(f"launch {launch} has saved nothing within {seconds:.0f} s")


def _wait_for_end(job: str, seconds: float = 400) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.5)
        if (state := _state(job)).split()[0] not in UNDER_WAY:
            return state
    raise TimeoutError(f"job {job} has not ended within {seconds:.0f} s: {state}")


def _state(job: str) -> str:
    """The job's state, its exit status, and why it waits, if it does."""
    shown = _slurm("scontrol", "show", "job", "--oneliner", job)
    fields = dict(field.split("=", 1) for field in shown.split() if "=" in field)
    return "{JobState} {ExitCode} {Reason}".format(**fields)


if __name__ == "__main__":
    main()
