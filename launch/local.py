"""Trains with several processes on this machine, as a cluster would with several machines.

    python launch/local.py --processes=2 --devices_per_process=4 -- \
        --config=configs/simclr_shapes.py --workdir=runs/two_processes

What follows `--` are the arguments of `python -m jcl.train`. Each line of output starts with the
number of its process. SIGTERM and Ctrl-C are passed on as a notice of preemption; a second Ctrl-C
ends all at once. When one process fails, all are ended, and this program exits with its status.
"""

import argparse
import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
import threading
import time

EXIT_PREEMPTED = 75  # jcl.runtime.exits has it
_SECONDS_TO_END = 120  # between the first process that ends in good order and the last
_SECONDS_TO_PRINT = 5  # what processes that have ended said last


def main() -> int:
    """Starts the processes and waits for them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--devices_per_process", type=int, default=1)
    parser.add_argument("--platform", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("train", nargs="+", metavar="-- TRAIN_ARGUMENT")
    given = parser.parse_args()
    if given.processes < 1 or given.devices_per_process < 1:
        parser.error("--processes and --devices_per_process are at least 1")

    coordinator = f"127.0.0.1:{_free_port()}"
    processes = [_start(given, number, coordinator) for number in range(given.processes)]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, functools.partial(_pass_on, processes))
    printers = [
        threading.Thread(target=_print_lines, args=(number, process), daemon=True)
        for number, process in enumerate(processes)
    ]
    for printer in printers:
        printer.start()
    status = _wait(processes)
    for printer in printers:
        printer.join(_SECONDS_TO_PRINT)
    return status


def _start(given, number: int, coordinator: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    devices = range(number * given.devices_per_process, (number + 1) * given.devices_per_process)
    if given.platform == "cpu":
        environment |= {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(len(devices))}
    else:
        environment |= {"CUDA_VISIBLE_DEVICES": ",".join(map(str, devices))}
    command = [sys.executable, "-m", "jcl.train", *given.train]
    command += [f"--coordinator={coordinator}", f"--processes={given.processes}"]
    return subprocess.Popen(
        [*command, f"--process={number}"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C reaches them once, through us
    )


def _pass_on(processes: list[subprocess.Popen], number: int, frame) -> None:
    for process in processes:
        process.send_signal(signal.SIGTERM)
    if number == signal.SIGINT:
        signal.signal(number, lambda *_: [_kill_with_children(process) for process in processes])


def _wait(processes: list[subprocess.Popen]) -> int:
    """Returns the status of the first process that fails, having ended the others, or of all."""
    deadline = None
    while any(process.poll() is None for process in processes):
        ended = [process.returncode for process in processes if process.poll() is not None]
        if ended and deadline is None:
            deadline = time.monotonic() + _SECONDS_TO_END
        if any(map(_is_failure, ended)) or (deadline and time.monotonic() > deadline):
            break
        time.sleep(0.05)
    codes = [1 if process.poll() is None else process.returncode for process in processes]
    # The first that failed by itself, not one that was ended for taking too long.
    failures = sorted(filter(_is_failure, codes), key=lambda code: code == 1)
    if failures:
        for process in processes:
            _kill_with_children(process)
        return failures[0] if failures[0] > 0 else 128 - failures[0]
    return max(codes)


def _is_failure(code: int) -> bool:
    return code not in (0, EXIT_PREEMPTED)


def _kill_with_children(process: subprocess.Popen) -> None:
    # Its session outlives it where Grain's workers, say, are still reading.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _print_lines(number: int, process: subprocess.Popen) -> None:
    for line in process.stdout:
        print(f"[{number}] {line}", end="", flush=True)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())
