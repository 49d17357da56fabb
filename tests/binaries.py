"""Runs jcl's binaries as a user would, in processes of their own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent

# A tiny run on the embedded dataset: two stages, 64 images, 16 a batch.
TINY = (
    "--config.data.train_examples=64",
    "--config.data.test_examples=32",
    "--config.batch_size=16",
    "--config.total_steps=40",
    "--config.log_every_steps=1",
    "--config.encoder.widths=(4,8)",
    "--config.projector.hidden_dim=8",
    "--config.projector.output_dim=8",
    "--config.checkpoint.every_steps=5",
    "--config.probe.linear_seeds=1",
)


def command(module, *arguments):
    return [sys.executable, "-m", module, *arguments]


def environment(devices=1):
    # TensorBoard is left out of all but one test: importing TensorFlow takes longer than the rest.
    return {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}


def train_arguments(workdir, *extra, config="configs/simclr_shapes.py"):
    return (f"--config={config}", f"--workdir={workdir}", *TINY, *extra)


def start(arguments, devices=1):
    """Starts a program with both of its outputs in one pipe."""
    return subprocess.Popen(
        arguments,
        cwd=ROOT,
        env=environment(devices),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def free_address():
    """An address for a coordinator."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return f"localhost:{free.getsockname()[1]}"


def run(module, *arguments, devices=1, timeout=300):
    return subprocess.run(
        command(module, *arguments),
        cwd=ROOT,
        env=environment(devices),
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


def run_ok(module, *arguments, **options):
    done = run(module, *arguments, **options)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def run_until(module, *arguments, condition, timeout=300):
    """Starts a binary and kills it with SIGKILL once `condition()` holds; returns its exit code."""
    process = subprocess.Popen(
        command(module, *arguments),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + timeout
    try:
        while process.poll() is None and not condition():
            assert time.monotonic() < deadline
            time.sleep(0.002)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        _, stderr = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), stderr[-3000:]
    return process.returncode


def run_together(module, folder, *, processes, devices, timeout=150):
    """Runs a worker's processes to their end, or ends all: where one has died, others wait for it.

    A worker is a module that takes coordinator, processes, process and folder.
    """
    coordinator = free_address()
    logs = [Path(folder, f"{process}.log") for process in range(processes)]
    started = []
    try:
        for process, log in enumerate(logs):
            arguments = coordinator, str(processes), str(process), str(folder)
            with log.open("w") as output:
                started.append(
                    subprocess.Popen(
                        command(module, *arguments),
                        cwd=ROOT,
                        env=environment(devices),
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                    )
                )
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            codes = [process.poll() for process in started]
            if codes == [0] * processes or any(codes):
                break
            time.sleep(0.05)
    finally:
        for process in started:
            process.kill()
            process.wait()
    said = "\n".join(f"process {i}: {log.read_text()[-3000:]}" for i, log in enumerate(logs))
    assert codes == [0] * processes, f"exit codes {codes}\n{said}"


def launch_arguments(processes, devices, workdir, *extra):
    """The command that trains with several processes on this machine."""
    return [
        *(sys.executable, "launch/local.py"),
        *(f"--processes={processes}", f"--devices_per_process={devices}", "--"),
        *train_arguments(workdir, *extra),
    ]


def metrics(workdir):
    return [json.loads(line) for line in (Path(workdir) / "metrics.jsonl").read_text().splitlines()]


TIMINGS = (
    *("step_seconds", "data_wait_seconds", "checkpoint_stall_seconds"),
    *("examples_per_second", "flops_per_second", "mfu"),
)


def untimed(lines):
    return [{k: v for k, v in line.items() if k not in TIMINGS} for line in lines]


def says_one_sentence(done, *parts):
    """Asserts a non-zero exit with one line of error, no traceback, that names all `parts`."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    for part in parts:
        assert part in errors[0]
