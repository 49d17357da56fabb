"""The columns that a report's table can have, and what stands in a cell."""

import dataclasses
import math
import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jcl.errors import UserError
from jcl.probes.further_scores import FURTHER_SCORES
from jcl.report.runs import Group, Run

MISSING = "\N{EN DASH}"


@dataclasses.dataclass(frozen=True)
class Column:
    """A number of each run.

    Attributes:
        title: "{}" in it stands for what "*" in the path found.
        path: keys from the outside in, of results.json; "*" is any key. () where `of_run` is given.
        percent: a share of 1, shown in percent.
        larger_is_better: None where neither is.
        headline: drawn against the batch size.
        of_run: makes the number, where it does not stand in results.json.
        digits: after the point.
    """

    title: str
    path: tuple[str, ...]
    percent: bool = False
    larger_is_better: bool | None = None
    headline: bool = False
    of_run: Callable[[Run], float | None] | None = None
    digits: int = 3

    def value(self, run: Run) -> float | None:
        """The run's number, in the unit that is shown; None where it has none."""
        found = self.of_run(run) if self.of_run else _look_up(run.results, self.path)
        return self._scaled(found)

    def interval(self, run: Run) -> tuple[float, float] | None:
        """The confidence interval that stands beside the number, if one does."""
        if not self.path:
            return None
        found = _look_up(run.results, (*self.path[:-1], f"{self.path[-1]}_interval"))
        if not isinstance(found, list | tuple) or len(found) != 2:
            return None
        low, high = map(self._scaled, found)
        return None if low is None or high is None else (low, high)

    def mean(self, group: Group) -> float | None:
        """The mean over the group's seeds, in the unit that is shown; None where none has one."""
        values = [v for run in group.measured if (v := self.value(run)) is not None]
        return statistics.fmean(values) if values else None

    def cell(self, group: Group) -> str:
        """Mean ± standard deviation over the group's seeds, or the value of a single one."""
        runs = [run for run in group.measured if self.value(run) is not None]
        if not runs:
            return MISSING
        mean, deviation = mean_and_deviation([self.value(run) for run in runs])
        if deviation is not None:
            return f"{self._text(mean)} ± {self._text(deviation)}"
        interval = self.interval(runs[0])
        if interval is None:
            return self._text(mean)
        return f"{self._text(mean)} [{self._text(interval[0])}, {self._text(interval[1])}]"

    def _scaled(self, found: Any) -> float | None:
        if isinstance(found, bool) or not isinstance(found, int | float):
            return None
        return (100.0 if self.percent else 1.0) * found if math.isfinite(found) else None

    def _text(self, value: float) -> str:
        return f"{value:.{1 if self.percent else self.digits}f}"


def _top1(name: str, *path: str, headline: bool = False) -> tuple[Column, ...]:
    """The score of a probe of classes."""
    return (Column(f"{name} top-1, %", (*path, "top1"), True, True, headline),)


def _errors(name: str, *path: str, headline: bool = False) -> tuple[Column, ...]:
    """The scores of a probe of a continuous target."""
    return (
        Column(f"{name} MAE", (*path, "mae"), False, False, headline),
        Column(f"{name} RMSE", (*path, "rmse"), False, False),
        Column(f"{name} R²", (*path, "r2"), False, True),
        Column(f"{name} Pearson", (*path, "pearson"), False, True),
        Column(f"{name} Spearman", (*path, "spearman"), False, True),
    )


def training_seconds(run: Run) -> float | None:
    """The time of all steps: each logged step's seconds, for it and the ones since the last."""
    if not run.metrics:
        return None
    total, before = 0.0, 0
    for line in run.metrics:
        total += (line["step"] - before) * line["step_seconds"]
        before = line["step"]
    return total


def step_milliseconds(run: Run) -> float | None:
    """The median time of a step, over logged ones."""
    seconds = [line["step_seconds"] for line in run.metrics]
    return 1e3 * statistics.median(seconds) if seconds else None


def step_megabytes(run: Run) -> float | None:
    """Bytes that the compiled step needs on a device, in MiB."""
    gib = [line["step_memory_gib"] for line in run.metrics if "step_memory_gib" in line]
    return 1024 * gib[-1] if gib else None


# In the order of the table; those that no run has are left out.
COLUMNS = (
    *_top1("kNN", "knn", headline=True),
    *_errors("kNN", "knn", headline=True),
    *_top1("linear", "linear", headline=True),
    *_top1("linear, {} of labels,", "linear", "low_shot", "*"),
    *_errors("ridge", "ridge", headline=True),
    Column("ridge MAE, {}-shot", ("ridge", "regions", "*", "mae"), False, False),
    *_errors("ridge, {} of labels,", "ridge", "low_shot", "*"),
    *_top1("head", "head"),
    *_errors("head", "head"),
    *_top1("fine-tuned, {} of labels,", "finetune", "*"),
    *_errors("fine-tuned, {} of labels,", "finetune", "*"),
    Column("alignment", ("geometry", "alignment")),
    Column("uniformity", ("geometry", "uniformity")),
    Column("tolerance", ("geometry", "tolerance")),
    Column("ordinality", ("geometry", "ordinality"), False, True),
    *(Column(*score) for score in FURTHER_SCORES),
    *_top1("projection kNN", "projection", "knn"),
    *_errors("projection kNN", "projection", "knn"),
    *_top1("projection linear", "projection", "linear"),
    *_errors("projection ridge", "projection", "ridge"),
    *_top1("concatenated kNN", "concatenated", "knn"),
    *_top1("concatenated linear", "concatenated", "linear"),
    Column("projection ordinality", ("projection", "geometry", "ordinality"), False, True),
    Column("projection effective rank", ("projection", "geometry", "effective_rank")),
    Column("training, s", (), of_run=training_seconds, digits=1),
    Column("a step, ms", (), of_run=step_milliseconds, digits=1),
    Column("a step's memory, MiB", (), of_run=step_megabytes, digits=1),
)


def columns_of(runs: Sequence[Run], shown: str = "") -> list[Column]:
    """The columns that at least one of the runs has a number for.

    Args:
        runs: to be compared.
        shown: a regular expression that is found in the titles of the columns to show.

    Raises:
        UserError: it is none, or shows none of the columns that there are.
    """
    present = []
    for column in COLUMNS:
        keys = {key: None for run in runs for key in _found_keys(run.results or {}, column.path)}
        for key in keys:
            path = tuple(key if part == "*" else part for part in column.path)
            present.append(
                dataclasses.replace(column, title=column.title.format(_share(key)), path=path)
            )
    columns = [
        c
        for c in present
        if any(c.value(run) is not None for run in runs if run.results is not None)
    ]
    try:
        chosen = [column for column in columns if re.search(shown, column.title)]
    except re.error as error:
        raise UserError(f"--columns={shown!r} is no regular expression: {error}") from error
    if columns and not chosen:
        titles = ", ".join(column.title for column in columns)
        raise UserError(f"--columns={shown!r} shows none of the columns that there are: {titles}")
    return chosen


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n - 1 below the sum); None for a single value."""
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return statistics.fmean(values), deviation


def best(column: Column, groups: Sequence[Group]) -> list[Group]:
    """The groups with the best mean; [] where there is no better, or nothing to compare."""
    if column.larger_is_better is None:
        return []
    means = [(mean, group) for group in groups if (mean := column.mean(group)) is not None]
    if len(means) < 2:
        return []
    choose = max if column.larger_is_better else min
    best_mean = choose(mean for mean, _ in means)
    return [group for mean, group in means if mean == best_mean]


def _look_up(tree: Any, path: Sequence[str]) -> Any:
    for key in path:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


def _found_keys(tree: Mapping, path: Sequence[str]) -> Iterator[str | None]:
    """What "*" can stand for in a path; None, once, where the path has none."""
    if "*" not in path:
        yield None
        return
    inner = _look_up(tree, path[: path.index("*")])
    yield from inner if isinstance(inner, Mapping) else ()


def _share(key: str | None) -> str | None:
    """Shares as percents, "0.01" as "1%"; other keys as they are."""
    try:
        return f"{100 * float(key):.3g}%"
    except (TypeError, ValueError):
        return key
