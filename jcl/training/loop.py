"""The loop: batch, step, log, save, and nothing else."""

import functools
from collections import deque
from collections.abc import Callable, Iterator, Mapping

import jax
import ml_collections
import numpy as np

from jcl.errors import UserError
from jcl.runtime.meter import Meter
from jcl.runtime.metrics import Report
from jcl.runtime.preemption import Preempted
from jcl.runtime.trace import Trace
from jcl.runtime.watchdog import Watchdog
from jcl.training.checkpoint import Checkpoints
from jcl.training.state import TrainState

# Steps that may be under way on the devices before the host looks at their loss.
_IN_FLIGHT = 2
_MUST_BE_FINITE = ("loss", "gradient_norm", "parameter_norm")


def run_loop(
    state: TrainState,
    train_step: Callable,
    batches: Iterator[Mapping[str, jax.Array]],
    *,
    start_step: int,
    total_steps: int,
    config: ml_collections.ConfigDict,
    batch_hash: Callable[[int], str],
    checkpoints: Checkpoints,
    report: Report,
    meter: Meter,
    trace: Trace,
    watchdog: Watchdog,
    must_stop: Callable[[int], bool],
    probe: Callable[[TrainState, Callable[[], None]], tuple[str, float]] | None,
) -> TrainState:
    """Trains from `start_step` to `total_steps` completed updates.

    Args:
        state: after `start_step` updates; it is donated.
        train_step: (state, batch) -> (state, scalar metrics), compiled.
        batches: the global batches of steps start_step, start_step + 1, ...
        start_step: completed updates.
        total_steps: completed updates at the end.
        config: says how often to log, to save and to probe; the last step is logged and saved in
            any case, and a probed step is saved with its score.
        batch_hash: step from 0 -> hash of its example indices.
        checkpoints: where the state is saved.
        report: gets the scalars of each logged step.
        meter: measures the steps between two logged ones.
        trace: of some steps, for a profiler.
        watchdog: is told what the loop is doing.
        must_stop: number of a step in this launch, from 1 -> whether to save and end after it;
            asked after every step.
        probe: (state, called after each batch) -> name and value of what it measured; None where
            `probe.every_steps` is.

    Raises:
        UserError: the loss, the gradient or a parameter is not finite, or a batch or a checkpoint
            failed; names the step and the last checkpoint, which precedes it.
        Preempted: `must_stop` said so; the state is saved.
    """
    probe_every = config.probe.every_steps
    pending: deque = deque()

    def settle(leave: int) -> None:
        """Waits for all but the last `leave` steps and stops at the first bad number."""
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

    for step in range(start_step + 1, total_steps + 1):
        watchdog.beat(step, "waiting for the batch")
        try:
            with meter.waiting():
                batch = next(batches)
        except UserError as error:
            checkpoints.wait()
            raise UserError(
                f"step {step} has no batch: {error}; once that is mended, the same command goes on "
                f"from {_newest(checkpoints)}"
            ) from error
        watchdog.beat(step, "training")
        trace.before(step)
        state, metrics = train_step(state, batch)
        pending.append((step, metrics))
        settle(_IN_FLIGHT)
        report.advance()
        meter.count_step()
        if trace.ends_with(step):
            settle(0)
            trace.close()
        stopping = must_stop(step - start_step)
        last = step == total_steps
        probing = probe_every is not None and step % probe_every == 0 and not stopping
        saving = step % config.checkpoint.every_steps == 0 or last or probing or stopping

        if step % config.log_every_steps == 0 or last:
            settle(0)
            values = {key: float(value) for key, value in metrics.items()}
            values |= meter.read()
            report.write(step, values, batch_hash=batch_hash(step - 1))

        if saving:
            settle(0)
            score = None
            if probing:
                beat = functools.partial(watchdog.beat, step, "probing")
                with meter.aside("probe"):
                    name, value = probe(state, beat)
                report.write_score(step, name, value)
                score = -value if name == "knn_mae" else value
            watchdog.beat(step, "saving")
            with meter.aside("checkpoint"):
                # A checkpoint vouches for every line before it.
                report.sync(step)
                checkpoints.save(state, step, score=score)
        if stopping and not last:
            checkpoints.wait()
            raise Preempted(f"preempted: step {step} is saved, the same command goes on from there")
    return state


def _newest(checkpoints: Checkpoints) -> str:
    return f"step {checkpoints.steps[-1]}" if checkpoints.steps else "none"
