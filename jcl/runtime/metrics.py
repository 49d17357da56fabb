"""Writes a run's numbers: metrics.jsonl, TensorBoard, Weights & Biases, and the console."""

import contextlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Mapping

from absl import logging
from ml_collections import ConfigDict
from tqdm import tqdm

from jcl.errors import UserError
from jcl.runtime import distributed
from jcl.runtime.folder import Folder, is_remote
from jcl.runtime.wandb_writer import WandbWriter
from jcl.runtime.workdir import write_atomically

JSONL = "metrics.jsonl"
# The scores of periodic probes, and their messages.
SCORES = {
    "knn_top1": "kNN top-1 {:.1%}",
    "knn_mae": "kNN MAE {:.4g}",
    "linear_top1": "linear top-1 {:.1%}",
    "effective_rank": "effective rank {:.3g}",
    "spread": "spread {:.3g}",
}


class Report:
    """All outputs for a run's numbers; of several processes, only the first one writes.

    Args:
        workdir: an existing folder.
        config: decides whether Weights & Biases is used too.
        start_step: completed updates that the run starts from.
        total_steps: completed updates at its end.
    """

    def __init__(self, workdir: Folder, config: ConfigDict, *, start_step: int, total_steps: int):
        first = distributed.is_first()
        self._file = MetricsFile(workdir, start_step) if first else None
        self._writers = _open_writers(workdir, config) if first else []
        self._progress = Progress(start_step, total_steps) if first else None

    def advance(self) -> None:
        """Counts one step."""
        if self._progress:
            self._progress.advance()

    def write(self, step: int, values: Mapping[str, float], *, batch_hash: str) -> None:
        """Logs the scalars of a step.

        Args:
            step: completed updates.
            values: loss, step_seconds and examples_per_second among them.
            batch_hash: of the step's example indices; only for metrics.jsonl.
        """
        if self._file:
            with _told_in_one_sentence(step):
                self._file.write(step, {**values, "batch_hash": batch_hash})
            self._progress.report(step, values)
        with _told_in_one_sentence(step):
            for writer in self._writers:
                writer.write_scalars(step, values)

    def write_score(self, step: int, name: str, value: float) -> None:
        """Logs the score of a periodic probe, one of `SCORES`; shares are printed in percent."""
        self.say(f"step {step}  {SCORES[name].format(value)}")
        with _told_in_one_sentence(step):
            for writer in self._writers:
                writer.write_scalars(step, {name: value})

    def say(self, message: str) -> None:
        """Prints a line."""
        if self._progress:
            self._progress.say(message)

    def sync(self, step: int) -> None:
        """Returns when all lines of metrics.jsonl up to this step are on disk."""
        if self._file:
            with _told_in_one_sentence(step):
                self._file.sync()

    def close(self) -> None:
        """Closes all outputs."""
        for place in filter(None, [self._progress, self._file, *self._writers]):
            place.close()


@contextlib.contextmanager
def _told_in_one_sentence(step: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"the metrics of step {step} could not be written ({error}); once there is room, the "
            "same command resumes from the newest checkpoint"
        ) from error


class MetricsFile:
    """Appends to `<workdir>/metrics.jsonl`, one JSON object per logged step.

    Opening the file drops the lines after `start_step` and an incomplete last line, so that every
    step occurs once after a resume. Each line is flushed when it is written. On Google's storage,
    where objects are written as a whole, lines are written at `sync`.

    Args:
        workdir: an existing folder.
        start_step: completed updates that the run starts from.
    """

    def __init__(self, workdir: Folder, start_step: int):
        self._path = workdir / JSONL
        kept = [line for line in read_metrics(workdir) if line["step"] <= start_step]
        self._text = "".join(json.dumps(line) + "\n" for line in kept)
        write_atomically(self._path, self._text)
        self._file = None
        if not is_remote(workdir):
            self._file = open(self._path, "a")  # noqa: SIM115  open for as long as the run

    def write(self, step: int, values: Mapping[str, float | str]) -> None:
        """Appends {"step": step, **values}."""
        line = json.dumps({"step": step, **values}) + "\n"
        if self._file is None:
            self._text += line
            return
        self._file.write(line)
        self._file.flush()

    def sync(self) -> None:
        """Returns when all lines are on disk."""
        if self._file is None:
            write_atomically(self._path, self._text)
            return
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self.sync() if self._file is None else self._file.close()


def read_metrics(workdir: Folder) -> list[dict]:
    """Reads the complete lines of metrics.jsonl; [] if there is no such file."""
    path = workdir / JSONL
    if not path.exists():
        return []
    lines = []
    for text in path.read_bytes().decode(errors="replace").splitlines(keepends=True):
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            break
        if not text.endswith("\n") or not isinstance(line, dict) or "step" not in line:
            break
        lines.append(line)
    return lines


def _open_writers(workdir: Folder, config: ConfigDict) -> list:
    """Writers of scalars, each with clu's `write_scalars(step, values)` and `close()`."""
    wandb = None if config.wandb.project is None else WandbWriter(workdir, config)
    return list(filter(None, [open_tensorboard(workdir), wandb]))


def open_tensorboard(workdir: Folder):
    """A clu.metric_writers.SummaryWriter; None, with one warning, without TensorFlow.

    TensorFlow is imported here and nowhere else in training.
    """
    if importlib.util.find_spec("tensorflow") is None:
        logging.warning("TensorFlow is not installed: no TensorBoard events, metrics.jsonl only")
        return None
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault(
        "TF_ENABLE_ONEDNN_OPTS", "0"
    )  # avoids a message; nothing is computed here
    from clu import metric_writers

    return metric_writers.SummaryWriter(str(workdir))


_SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """A live bar with an ETA on a terminal; a plain line every few seconds elsewhere.

    Args:
        start: completed steps.
        total: steps of the run.
    """

    def __init__(self, start: int, total: int):
        self._live = sys.stderr.isatty()
        self._bar = tqdm(
            initial=start, total=total, unit="step", dynamic_ncols=True, disable=not self._live
        )
        self._start, self._total = start, total
        self._spent, self._reported = 0.0, start
        self._last_line = -_SECONDS_BETWEEN_LINES

    def advance(self) -> None:
        """Counts one step; call it after each."""
        self._bar.update()

    def report(self, step: int, values: Mapping[str, float]) -> None:
        """Shows the newest values after a logged step.

        Args:
            step: completed updates.
            values: loss, examples_per_second and, if there is one, mfu are shown; step_seconds is
                used to estimate the remaining time.
        """
        self._spent += (step - self._reported) * values["step_seconds"]
        self._reported = step
        if self._live:
            self._bar.set_postfix(loss=f"{values['loss']:.4f}", refresh=False)
            return
        if self._spent - self._last_line < _SECONDS_BETWEEN_LINES and step < self._total:
            return
        self._last_line = self._spent
        left = (self._total - step) * self._spent / max(step - self._start, 1)
        self.say(
            f"step {step}/{self._total}  loss {values['loss']:.4f}  "
            f"{values['examples_per_second']:.0f} examples/s  "
            + (f"MFU {100 * values['mfu']:.1f}%  " if "mfu" in values else "")
            + f"ETA {tqdm.format_interval(left)}"
        )

    def say(self, message: str) -> None:
        """Prints a line without breaking the bar."""
        tqdm.write(message, file=sys.stderr)

    def close(self) -> None:
        """Leaves the bar on the screen."""
        self._bar.close()
