"""Times functions in turn, so that other work on the machine delays them alike."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
from tqdm import tqdm

# What a function leaves behind would be charged to the next one: memory goes back to the system
# after the result is there (1 GiB takes some 60 ms), and OpenMP's threads, PyTorch's among them,
# spin for up to 10 ms after their last task.
_PAUSE = 0.3  # s, on a CPU


def interleaved(
    functions: Mapping[Any, Callable],
    repeats: int,
    make_arguments: Callable[[], tuple] = tuple,
    check: Callable[[dict[Any, Any]], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[Any, list[float]]:
    """Seconds that each function takes, in `repeats` rounds of one call each.

    All calls of a round get the same arguments, which are made for it. A round before these, in
    which functions compile, is not counted; `check` gets what they return there. The clock
    `time.process_time` counts the time of all threads on CPUs, which other jobs change far less.
    """
    arguments = make_arguments()
    results = {
        name: jax.block_until_ready(function(*arguments))
        for name, function in _with_progress(functions, "warm-up")
    }
    if check:
        check(results)
    times = {name: [] for name in functions}
    for repeat in range(repeats):
        arguments = jax.block_until_ready(make_arguments())
        for name, function in _with_progress(functions, f"round {repeat + 1} of {repeats}"):
            if jax.default_backend() == "cpu":
                time.sleep(_PAUSE)
            start = clock()
            jax.block_until_ready(function(*arguments))
            times[name].append(clock() - start)
    return times


def _with_progress(functions: Mapping[Any, Callable], description: str):
    terminal = sys.stderr.isatty()
    return tqdm(functions.items(), desc=description, leave=False, disable=not terminal)
