"""The loop: batch, step, log, save."""

import dataclasses
import functools
from collections import deque
from collections.abc import Callable, Iterator, Mapping

import jax
import numpy as np

from jcl.errors import UserError
from jcl.runtime.meter import Meter
from jcl.runtime.metrics import Report
from jcl.runtime.preemption import Preempted
from jcl.runtime.trace import Trace
from jcl.runtime.watchdog import Watchdog
from jcl.training.checkpoint import Checkpoints
from jcl.training.state import TrainState

# Number of steps that may run on the devices before the host reads their loss.
_IN_FLIGHT = 2
_MUST_BE_FINITE = ("loss", "gradient_norm", "parameter_norm")

Batch = Mapping[str, jax.Array]
Metrics = Mapping[str, jax.Array]


@dataclasses.dataclass(frozen=True)
class Intervals:
    """Intervals of logging, saving and probing, in steps.

    Attributes:
        log: the last step is always logged.
        save: the last step is always saved.
        probe: None never probes; a probed step is saved with its score.
    """

    log: int
    save: int
    probe: int | None


@dataclasses.dataclass(frozen=True)
class Run:
    """Everything that the loop needs, made before the first step.

    Attributes:
        state: after `start_step` updates; it is donated.
        train_step: (state, batch) -> (state, scalar metrics), compiled.
        batches: the global batches of steps start_step, start_step + 1, ...
        start_step: completed updates.
        total_steps: completed updates at the end.
        every: intervals of logging, saving and probing.
        batch_hash: step from 0 -> hash of its example indices.
        checkpoints: where the state is saved.
        report: gets the scalars of each logged step.
        meter: measures the steps between two logged ones.
        trace: of some steps, for a profiler.
        watchdog: is told what the loop is doing.
        must_stop: number of a step in this launch, from 1 -> whether to save and end after it;
            called after every step.
        probe: (state, callback after each batch) -> name and value of the score; None if
            `every.probe` is None.
        at_epoch: (state, completed updates, callback after each batch that is read) -> state,
            called before every step; None if the method does nothing between epochs.
    """

    state: TrainState
    train_step: Callable[[TrainState, Batch], tuple[TrainState, Metrics]]
    batches: Iterator[Batch]
    start_step: int
    total_steps: int
    every: Intervals
    batch_hash: Callable[[int], str]
    checkpoints: Checkpoints
    report: Report
    meter: Meter
    trace: Trace
    watchdog: Watchdog
    must_stop: Callable[[int], bool]
    probe: Callable[[TrainState, Callable[[], None]], tuple[str, float]] | None
    at_epoch: Callable[[TrainState, int, Callable[[], None]], TrainState] | None = None


def run_loop(run: Run) -> TrainState:
    """Trains from `start_step` to `total_steps` completed updates.

    Raises:
        UserError: the loss, the gradient or a parameter is not finite, or a batch or a checkpoint
            failed; names the step and the last checkpoint before it.
        Preempted: `must_stop` returned True; the state is saved.
    """
    state, pending, every = run.state, deque(), run.every
    for step in range(run.start_step + 1, run.total_steps + 1):
        batch = _next_batch(run, step)
        if run.at_epoch is not None:
            beat = functools.partial(run.watchdog.beat, step, "between epochs")
            with run.meter.aside("epoch"):
                state = run.at_epoch(state, step - 1, beat)
        run.watchdog.beat(step, "training")
        run.trace.before(step)
        state, metrics = run.train_step(state, batch)
        pending.append((step, metrics))
        _settle(pending, run.checkpoints, leave=_IN_FLIGHT)
        run.report.advance()
        run.meter.count_step()
        if run.trace.ends_with(step):
            _settle(pending, run.checkpoints)
            run.trace.close()
        stopping = run.must_stop(step - run.start_step)
        last = step == run.total_steps
        probing = every.probe is not None and step % every.probe == 0 and not stopping
        if step % every.log == 0 or last:
            _settle(pending, run.checkpoints)
            values = {key: float(value) for key, value in metrics.items()} | run.meter.read()
            run.report.write(step, values, batch_hash=run.batch_hash(step - 1))
        if step % every.save == 0 or last or probing or stopping:
            _settle(pending, run.checkpoints)
            _save(run, state, step, score=_probe(run, state, step) if probing else None)
        if stopping and not last:
            run.checkpoints.wait()
            raise Preempted(f"preempted: step {step} is saved, the same command resumes from there")
    return state


def _next_batch(run: Run, step: int) -> Batch:
    run.watchdog.beat(step, "waiting for the batch")
    try:
        with run.meter.waiting():
            return next(run.batches)
    except UserError as error:
        run.checkpoints.wait()
        raise UserError(
            f"step {step} has no batch: {error}; once that is corrected, the same command resumes "
            f"from {_newest(run.checkpoints) if run.checkpoints.steps else 'the start'}"
        ) from error


def _settle(pending: deque, checkpoints: Checkpoints, *, leave: int = 0) -> None:
    """Waits for all but the last `leave` steps, and stops at the first bad number."""
    while len(pending) > leave:
        step, metrics = pending.popleft()
        values = {key: np.asarray(metrics[key]) for key in _MUST_BE_FINITE}
        bad = [key for key, value in values.items() if not np.isfinite(value)]
        if bad:
            checkpoints.wait()
            raise UserError(
                f"the {bad[0]} is {values[bad[0]]} at step {step}; the last good checkpoint in "
                f"{checkpoints.folder} is {_newest(checkpoints)}, and nothing was overwritten"
            )


def _probe(run: Run, state: TrainState, step: int) -> float:
    """Probes and reports; returns a score of which larger is better."""
    with run.meter.aside("probe"):
        name, value = run.probe(state, functools.partial(run.watchdog.beat, step, "probing"))
    run.report.write_score(step, name, value)
    return -value if name == "knn_mae" else value


def _save(run: Run, state: TrainState, step: int, *, score: float | None) -> None:
    run.watchdog.beat(step, "saving")
    with run.meter.aside("checkpoint"):
        # When a checkpoint exists, all log lines before it must be on disk.
        run.report.sync(step)
        run.checkpoints.save(state, step, score=score)


def _newest(checkpoints: Checkpoints) -> str:
    return f"step {checkpoints.steps[-1]}" if checkpoints.steps else "none"
