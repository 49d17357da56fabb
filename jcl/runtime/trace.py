"""A trace of some steps for XProf or TensorBoard: `profile.steps`."""

from pathlib import Path

import jax

from jcl.runtime import distributed

FOLDER = "profile"


class Trace:
    """Traces the updates `first` to `last`, both included, on the first process.

    Args:
        workdir: the trace goes to `<workdir>/profile`.
        steps: (first, last), counted as in metrics.jsonl; None traces nothing.
    """

    def __init__(self, workdir: Path, steps: tuple[int, int] | None):
        self._folder = workdir / FOLDER
        self._steps = steps if distributed.is_first() else None
        self._running = False

    def before(self, step: int) -> None:
        """Starts the trace if `step` is the first traced step of this launch."""
        if self._steps and not self._running and self._steps[0] <= step <= self._steps[1]:
            jax.profiler.start_trace(self._folder)
            self._running = True

    def ends_with(self, step: int) -> bool:
        """Whether the trace ends with this step; the caller must then wait for its results."""
        return self._running and step == self._steps[1]

    def close(self) -> None:
        """Writes the trace if one is in progress."""
        if self._running:
            jax.profiler.stop_trace()
            self._running, self._steps = False, None
