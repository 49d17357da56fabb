"""Kills training again and again and compares what is left with a run that nobody disturbed.

    python -m tests.faults --kills=24 --same_topology
    python -m tests.faults --kills=24

Most of the kills wait for Orbax's temporary folder. Without --same_topology every start has other
devices and processes, in float64.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

from jcl.training.checkpoint import read_model, saved_steps
from tests.binaries import launch_arguments, metrics, start, untimed
from tests.tiny import assert_same_bits, largest_difference

# Processes, devices of each, size of the fsdp axis.
TOPOLOGIES = [(1, 1, 1), (1, 2, 1), (1, 4, 2), (1, 8, 8), (2, 1, 1), (2, 2, 2)]
STEPS, SAVED_EVERY = 600, 10
ARGUMENTS = (
    f"--config.total_steps={STEPS}",
    f"--config.checkpoint.every_steps={SAVED_EVERY}",
    "--config.fsdp_min_size=1",
)


def launch(workdir, topology, *extra):
    processes, devices, fsdp = topology
    extra = (*ARGUMENTS, f"--config.mesh.fsdp={fsdp}", *extra)
    return start(launch_arguments(processes, devices, workdir, *extra))


def finish(process):
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-3000:]


def lines_logged(workdir, since=0.0):
    """How many steps are logged; none while the file is that of an earlier start."""
    path = workdir / "metrics.jsonl"
    if not path.exists() or path.stat().st_mtime < since:
        return 0
    return path.read_text().count("\n")


def unfinished_checkpoints(workdir):
    return list((workdir / "checkpoints").glob("*orbax-checkpoint-tmp*"))


def trainers_of(launcher):
    """Process ids of the launcher's children."""
    path = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children")
    return [int(number) for number in path.read_text().split()]


def kill_one(launcher, chance):
    """SIGKILL to one of the trainers; the launcher then ends the others."""
    os.kill(chance.choice(trainers_of(launcher)), signal.SIGKILL)
    launcher.communicate(timeout=60)


def disturb(workdir, topologies, chance, *extra, kills):
    """Trains to the end with that many kills; returns how many met an unfinished checkpoint."""
    done = amid_saving = 0
    while done < kills:
        reached = saved_steps(workdir)[-1] if saved_steps(workdir) else 0
        wanted = reached + chance.randint(1, 2 * SAVED_EVERY)
        while_saving = chance.random() < 0.7
        began = time.time()
        launcher = launch(workdir, chance.choice(topologies), *extra)
        deadline = time.monotonic() + 120
        while launcher.poll() is None and time.monotonic() < deadline:
            lines = lines_logged(workdir, since=began)
            if lines >= wanted and (
                not while_saving or unfinished_checkpoints(workdir) or lines > wanted + 20
            ):
                break
        if launcher.poll() is not None:
            assert launcher.returncode == 0, launcher.communicate()[0][-3000:]
            return done, amid_saving  # it was faster than us
        kill_one(launcher, chance)
        done += 1
        amid_saving += bool(unfinished_checkpoints(workdir))
        assert (saved_steps(workdir) or [0])[-1] >= reached  # nothing valid was deleted
        print(f"kill {done}: {lines_logged(workdir)} steps logged, {saved_steps(workdir)} saved")
    finish(launch(workdir, chance.choice(topologies), *extra))
    return done, amid_saving


def check(kills, seed, folder, *, same_topology):
    """Returns kills, and kills while saving; raises AssertionError where a run differs."""
    chance = random.Random(seed)
    extra = () if same_topology else ("--config.precision=float64",)
    topologies = TOPOLOGIES[1:2] if same_topology else TOPOLOGIES
    straight, disturbed = folder / "straight", folder / "disturbed"
    finish(launch(straight, topologies[0], *extra))
    counts = disturb(disturbed, topologies, chance, *extra, kills=kills)
    ours, theirs = metrics(disturbed), metrics(straight)
    assert [line["step"] for line in ours] == list(range(1, STEPS + 1))
    for key in ("step", "batch_hash"):
        assert [line[key] for line in ours] == [line[key] for line in theirs], key
    if same_topology:
        assert untimed(ours) == untimed(theirs)
        assert_same_bits(read_model(disturbed)[0], read_model(straight)[0])
    else:
        with jax.enable_x64(True):
            models = [read_model(workdir)[0] for workdir in (disturbed, straight)]
            assert largest_difference(*models) < 1e-9
        losses = [[line["loss"] for line in lines] for lines in (ours, theirs)]
        np.testing.assert_allclose(*losses, rtol=0, atol=1e-9)
    return counts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--same_topology", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kills, amid_saving = check(
            given.kills, given.seed, Path(folder), same_topology=given.same_topology
        )
    print(f"{kills} kills, {amid_saving} of them while a checkpoint was being written: no step")
    print("was lost or trained twice, and the parameters are those of the undisturbed run")


if __name__ == "__main__":
    sys.exit(main())
