"""Measures a run's time and memory: steps, waiting for data, saving; use of the devices."""

import contextlib
import time
from collections.abc import Iterator

import jax


class Meter:
    """Measures the steps between two readings.

    Args:
        examples: number of examples of one step.
        step_bytes: memory that the compiled step needs on a device, with state and batch.
        flops: floating point operations of one step over all devices; None if not known.
        peak_flops: peak FLOP/s of all devices together; None if not known.
    """

    def __init__(
        self, *, examples: int, step_bytes: int, flops: float | None, peak_flops: float | None
    ):
        self._examples, self._step_bytes = examples, step_bytes
        self._flops, self._peak = flops, peak_flops
        self._restart()

    def _restart(self) -> None:
        self._start, self._steps, self._waited = time.perf_counter(), 0, 0.0
        self._aside = {"checkpoint": 0.0, "probe": 0.0, "epoch": 0.0}

    def count_step(self) -> None:
        """Counts one step; call it after each."""
        self._steps += 1

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """A context in which the loop waits for data; the time is part of a step."""
        before = time.perf_counter()
        yield
        self._waited += time.perf_counter() - before

    @contextlib.contextmanager
    def aside(self, what: str) -> Iterator[None]:
        """A context for work that is not part of a step: "checkpoint", "probe", "epoch"."""
        before = time.perf_counter()
        yield
        self._aside[what] += time.perf_counter() - before

    def read(self) -> dict[str, float]:
        """Measurements of the steps since the last reading.

        Returns:
            step_seconds, and data_wait_seconds as a part of these, both per step;
            checkpoint_stall_seconds, the time that all saves blocked training;
            examples_per_second; flops_per_second over all devices, if the operations are known, and
            mfu, their share of the peak, if the peak is known (Chowdhery et al. 2022, "PaLM",
            appendix B); step_memory_gib, the memory that the compiled step needs on a device, and
            peak_memory_gib, the largest use of a device of this process, if devices report it.
        """
        step = (time.perf_counter() - self._start - sum(self._aside.values())) / self._steps
        values = {
            "step_seconds": step,
            "data_wait_seconds": self._waited / self._steps,
            "checkpoint_stall_seconds": self._aside["checkpoint"],
            "examples_per_second": self._examples / step,
            "step_memory_gib": self._step_bytes / 2**30,
        }
        if self._flops is not None:
            values["flops_per_second"] = self._flops / step
            if self._peak is not None:
                values["mfu"] = self._flops / step / self._peak
        stats = [device.memory_stats() or {} for device in jax.local_devices()]
        if used := [s["peak_bytes_in_use"] for s in stats if "peak_bytes_in_use" in s]:
            values["peak_memory_gib"] = max(used) / 2**30
        self._restart()
        return values
