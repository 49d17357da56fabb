"""Trains and measures every run of a grid of config values, with several seeds.

    python -m launch.sweep --config=configs/simclr_shapes.py --workdir=runs/study \
        --grid method.name=simclr,dcl --grid batch_size=64,256 --seeds=3 \
        [--config.KEY=VALUE ...] [--jobs=N] [--slurm=print|submit]

From the checkout's root. `--grid :NAME=VALUE,...` sweeps an argument of the config file. Each run
has a folder WORKDIR/NAME, named by what differs between the runs. It holds all files of
`python -m jcl.train` and `python -m jcl.evaluate`, and their output (log.txt). The same command
carries on after any interruption: runs that are done (recorded in sweep.json) are skipped, and
others resume. SIGTERM and Ctrl-C are passed on as a notice of preemption; a second Ctrl-C ends all
runs at once. The exit status is 75 after a preemption, 1 if a run failed (the others still run),
and 2 for a mistake, before anything starts.

Runs at the same time (--jobs) share the machine's devices. On a GPU, the first process takes most
of the memory unless XLA_PYTHON_CLIENT_MEM_FRACTION is set.
"""

import argparse
import concurrent.futures
import contextlib
import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from jcl.errors import UserError
from jcl.experiment import changes_on_resume
from jcl.runtime import workdir as workdir_lib
from jcl.runtime.cli import ArgumentParser
from jcl.runtime.exits import EXIT_FAILED, EXIT_LOST, EXIT_PREEMPTED, EXIT_USER_ERROR
from jcl.runtime.folder import local_folder
from launch.grid import Run, expand, folder_of, resolve

LOG, DONE = "log.txt", "sweep.json"
_MOST_STARTS = 5  # of a program that is taken away, or whose process hangs, again and again
_STOPPED = "stopped"
_WHEN_STOPPED = (EXIT_PREEMPTED, -signal.SIGTERM, -signal.SIGKILL)


class Children:
    """The processes under way, which one signal reaches all of."""

    def __init__(self):
        self.stopping = threading.Event()
        self._processes: list[subprocess.Popen] = []

    def run(self, command: Sequence[str], log) -> int:
        """Runs a command to its end with both outputs appended to a file; returns its status."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C reaches it once, through us
        )
        self._processes.append(process)
        if self.stopping.is_set():  # since the signal went round
            process.send_signal(signal.SIGTERM)
        status = process.wait()
        self._processes.remove(process)
        return status

    def stop(self, number: int, frame: object = None) -> None:
        """Has all save and end, or at a second Ctrl-C end at once; a signal's handler."""
        again = self.stopping.is_set() and number == signal.SIGINT
        self.stopping.set()
        for process in list(self._processes):
            if not again:
                process.send_signal(signal.SIGTERM)
                continue
            # Its session outlives it where Grain's workers, say, are still reading.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def sweep(config_file: str, root: Path, runs: Sequence[Run], *, jobs: int) -> int:
    """Runs what is not done yet; returns the exit status.

    Args:
        config_file: what --config takes, arguments of all runs after a colon included.
        root: the runs' folders are made in it.
        runs: each is trained and evaluated in processes of its own.
        jobs: how many at the same time.

    Raises:
        UserError: a run's folder belongs to another setting, or cannot be written.
    """
    waiting = unfinished(config_file, root, runs)
    done = len(runs) - len(waiting)
    print(f"{len(runs)} runs in {root}, {done} done already, {jobs} at a time", file=sys.stderr)
    children, failures = Children(), {}
    for run in waiting:
        workdir_lib.create(folder_of(root, run))
    with (
        _handled_by(children.stop),
        concurrent.futures.ThreadPoolExecutor(jobs) as pool,
        tqdm(
            total=len(runs), initial=done, unit="run", disable=not sys.stderr.isatty()
        ) as progress,
    ):
        futures = {
            pool.submit(_run_one, config_file, folder_of(root, run), run, children): run
            for run in waiting
        }
        for future in concurrent.futures.as_completed(futures):
            run, (failure, seconds) = futures[future], future.result()
            if failure == _STOPPED:
                continue
            if failure is not None:
                failures[run.name] = failure
            progress.update()
            said = "done" if failure is None else "failed"
            tqdm.write(f"{run.name}: {said} in {seconds:.0f} s", file=sys.stderr)
    if failures:
        print(f"{len(failures)} of {len(runs)} runs failed:", file=sys.stderr)
    for name, failure in failures.items():
        print(f"  {name}: {failure}", file=sys.stderr)
    if children.stopping.is_set():
        print(f"stopped; the same command goes on ({root})", file=sys.stderr)
        return EXIT_PREEMPTED
    return EXIT_FAILED if failures else 0


def unfinished(config_file: str, root: Path, runs: Sequence[Run]) -> list[Run]:
    """Returns the runs that are not done.

    Raises:
        UserError: one that is done was another setting.
    """
    waiting = []
    for run in runs:
        folder = folder_of(root, run)
        if not ((folder / DONE).exists() and (folder / workdir_lib.RESULTS).exists()):
            waiting.append(run)
            continue
        if changes := changes_on_resume(folder, resolve(run, config_file)):
            raise UserError(
                f"{folder} is done with another setting ({'; '.join(changes)}); choose another "
                "--workdir, or bring --config and --config.KEY=VALUE back to what they were"
            )
    return waiting


def _run_one(
    config_file: str, folder: Path, run: Run, children: Children
) -> tuple[str | None, float]:
    """Trains and evaluates a run; returns what went wrong, or None, and the seconds it took."""
    began = time.monotonic()
    config_file = run.config_file(config_file)
    train = ["jcl.train", f"--config={config_file}", f"--workdir={folder}", *run.flags()]
    evaluate = ["jcl.evaluate", f"--workdir={folder}"]
    with open(folder / LOG, "a") as log:
        try:
            # The programs inherit the lock, so it is held while one is alive, even without us.
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return f"another sweep is running it ({folder / LOG} is locked)", 0.0
        failure = None
        for module, *arguments in (train, evaluate):
            failure = failure or _run_program(module, arguments, log, children)
    if failure is None:
        record = {"seconds": time.monotonic() - began}
        workdir_lib.write_atomically(folder / DONE, json.dumps(record) + "\n")
    return failure, time.monotonic() - began


def _run_program(module: str, arguments: Sequence[str], log, children: Children) -> str | None:
    command = [sys.executable, "-m", module, *arguments]
    for _ in range(_MOST_STARTS):
        if children.stopping.is_set():
            return _STOPPED
        log.write(f"$ {shlex.join(command)}\n")
        log.flush()
        begin = os.fstat(log.fileno()).st_size
        status = children.run(command, log)
        if status == 0:
            return None
        if children.stopping.is_set() and status in _WHEN_STOPPED:
            return _STOPPED
        if status not in (EXIT_PREEMPTED, EXIT_LOST):
            break
    return f"{module} ended with status {status}: {_last_error(Path(log.name), begin)}"


def _last_error(log: Path, begin: int) -> str:
    """The last line that says "error", or the last one at all, from a place in the log on."""
    with open(log, "rb") as file:
        file.seek(begin)
        lines = file.read().decode(errors="replace").split("\n")
    lines = [line.strip() for line in lines if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return (errors or lines or ["it said nothing"])[-1]


@contextlib.contextmanager
def _handled_by(handler) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def slurm_command(
    arguments: Sequence[str], indices: Sequence[int], *, jobs: int | None
) -> list[str]:
    """The command that submits launch/sweep.sbatch, one array task for each of the runs.

    Args:
        arguments: of this program, without --slurm and --jobs.
        indices: of the runs in the expanded grid, ascending.
        jobs: how many at the same time; None leaves that to Slurm.
    """
    ranges = []
    for index in indices:
        if ranges and index == ranges[-1][1] + 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    array = ",".join(f"{a}-{b}" if a < b else f"{a}" for a, b in ranges)
    limit = f"%{jobs}" if jobs else ""
    return ["sbatch", f"--array={array}{limit}", "launch/sweep.sbatch", *arguments]


def _parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = ArgumentParser(
        prog="python -m launch.sweep",
        description=__doc__.splitlines()[0],
        epilog="--config.KEY=VALUE is passed on to every run.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--config", required=True, help="configs/NAME.py[:args], of all runs")
    add("--workdir", required=True, help="each run has a folder in it")
    add("--grid", action="append", default=[], metavar="KEY=VALUE,VALUE,...", help="repeatable")
    add("--seeds", type=int, default=1, help="how many; they are 0, 1, ... (default: 1)")
    add("--jobs", type=int, help="runs at the same time (default: 1; Slurm: no limit)")
    add = parser.add_mutually_exclusive_group().add_argument
    add("--slurm", choices=("print", "submit"), help="one task of a Slurm array for each run")
    add("--only", type=int, metavar="I", help="only the run with this number, from 0")
    return parser.parse_known_args(argv)


def main(argv: Sequence[str]) -> int:
    """The binary."""
    try:
        given, common = _parse(argv)
        if given.jobs is not None and given.jobs < 1:
            raise UserError(f"--jobs={given.jobs} is impossible: it is at least 1")
        root = local_folder(given.workdir)
        runs = expand(given.grid, seeds=given.seeds, common=common)
        for run in runs:
            resolve(run, given.config)
        if given.slurm:
            waiting = unfinished(given.config, root, runs)
            print(f"{len(runs)} runs, {len(runs) - len(waiting)} done already", file=sys.stderr)
            if not waiting:
                return 0
            passed = [f"--config={given.config}", f"--workdir={given.workdir}"]
            passed += [f"--grid={grid}" for grid in given.grid]
            passed += [f"--seeds={given.seeds}", *common]
            command = slurm_command(passed, [runs.index(x) for x in waiting], jobs=given.jobs)
            if given.slurm == "print":
                print(shlex.join(command))
                return 0
            return _submit(command)
        if given.only is not None:
            if not 0 <= given.only < len(runs):
                raise UserError(f"--only={given.only} is impossible: there are {len(runs)} runs")
            runs = runs[given.only : given.only + 1]
        return sweep(given.config, root, runs, jobs=given.jobs or 1)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR


def _submit(command: Sequence[str]) -> int:
    try:
        return subprocess.run(command).returncode
    except FileNotFoundError as error:
        raise UserError("sbatch is not installed here; --slurm=print prints the command") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
