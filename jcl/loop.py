"""The loop: batch, step, log, save, and nothing else."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping

import jax
import ml_collections
import numpy as np

from jcl.checkpoint import Checkpoints
from jcl.errors import UserError
from jcl.metrics import MetricsFile, Progress
from jcl.state import TrainState

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
    metrics_file: MetricsFile,
    tensorboard,
    progress: Progress,
    probe: Callable[[TrainState], float] | None,
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
        metrics_file: gets the scalars of each logged step.
        tensorboard: gets them too; a clu MetricWriter, or None.
        progress: what the user sees.
        probe: state -> score, larger is better; None where `probe.every_steps` is.

    Raises:
        UserError: the loss, the gradient or a parameter is not finite; names the step and the last
            checkpoint, which precedes it.
    """
    probe_every = config.probe.every_steps
    pending: deque = deque()
    window_start, waited, window_steps = time.perf_counter(), 0.0, 0

    def settle(leave: int) -> None:
        """Waits for all but the last `leave` steps and stops at the first bad number."""
        while len(pending) > leave:
            step, metrics = pending.popleft()
            values = {key: np.asarray(metrics[key]) for key in _MUST_BE_FINITE}
            bad = [key for key, value in values.items() if not np.isfinite(value)]
            if bad:
                checkpoints.wait()
                good = f"step {checkpoints.steps[-1]}" if checkpoints.steps else "none"
                raise UserError(
                    f"the {bad[0]} is {values[bad[0]]} at step {step}; the last good checkpoint in "
                    f"{checkpoints.folder} is {good}, and nothing was overwritten"
                )

    for step in range(start_step + 1, total_steps + 1):
        before = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - before
        state, metrics = train_step(state, batch)
        pending.append((step, metrics))
        settle(_IN_FLIGHT)
        progress.advance()
        window_steps += 1
        last = step == total_steps
        probing = probe_every is not None and step % probe_every == 0
        saving = step % config.checkpoint.every_steps == 0 or last or probing

        if step % config.log_every_steps == 0 or last:
            settle(0)
            seconds = time.perf_counter() - window_start
            values = {key: float(value) for key, value in metrics.items()}
            values |= {
                "step_seconds": seconds / window_steps,
                "data_wait_seconds": waited / window_steps,
                "examples_per_second": config.batch_size * window_steps / seconds,
            }
            metrics_file.write(step, {**values, "batch_hash": batch_hash(step - 1)})
            if tensorboard is not None:
                tensorboard.write_scalars(step, values)
            progress.report(step, values, seconds)
            window_start, waited, window_steps = time.perf_counter(), 0.0, 0

        if saving:
            settle(0)
            aside = time.perf_counter()
            score = None
            if probing:
                score = probe(state)
                progress.say(f"step {step}  kNN top-1 {100 * score:.1f}%")
                if tensorboard is not None:
                    tensorboard.write_scalars(step, {"knn_top1": score})
            # A checkpoint vouches for every line before it.
            metrics_file.sync()
            checkpoints.save(state, step, score=score)
            window_start += time.perf_counter() - aside  # not part of a step
    return state
