"""Lists runs: `python -m jcl.runs DIR... [--by=SCORE]`.

Each DIR is a workdir, or a folder that holds workdirs at any depth. For every run the list shows
whether it is alive, done, stopped or dead, its step, the config keys in which it differs from other
runs, and one score. Runs are sorted by this score, the best first. `python -m jcl.report` has all
scores, with means over seeds.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from jcl.errors import UserError
from jcl.report.columns import MISSING, Column, columns_of
from jcl.report.runs import Run, find_workdirs, group_runs, read_run, show
from jcl.report.state import State, state_of
from jcl.runtime.cli import ArgumentParser
from jcl.runtime.exits import EXIT_USER_ERROR

_STYLES = {"alive": "bold green", "done": "", "stopped": "yellow", "dead": "bold red", "new": "dim"}


def list_runs(folders: Sequence[Path], by: str = "") -> Table:
    """The table of the runs in some folders.

    Args:
        folders: workdirs, or folders that hold workdirs.
        by: a regular expression for the title of a score, as in a report; the first score that
            matches is used.

    Raises:
        UserError: there is no run, a run cannot be read, or no run has such a score.
    """
    runs = [read_run(workdir) for workdir in find_workdirs(folders)]
    column = _score(runs, by)
    runs.sort(key=lambda run: _order(run, column))
    keys = list(group_runs(runs)[0][0].setting)
    if len({run.seed for run in runs}) > 1:
        keys.append("seed")
    score = [] if column is None else [column.title]
    table = Table("state", "step", *score, "workdir", box=box.SIMPLE)
    table.add_column("where it differs", overflow="fold", ratio=1)
    for run in runs:
        state = state_of(run.workdir, logged_steps=run.metrics[-1]["step"] if run.metrics else 0)
        given = {key: run.config.get(key) for key in keys}
        differs = ", ".join(f"{k}={show(value)}" for k, value in given.items() if value is not None)
        scores = [] if column is None else [_text(column, run)]
        row = state.name, _steps(state), *scores, str(run.workdir), differs
        table.add_row(*row, style=_STYLES[state.name])
    return table


def _score(runs: Sequence[Run], by: str) -> Column | None:
    """The first score that matches; None if no run has one and none was asked for."""
    if all(run.results is None for run in runs):
        if by:
            raise UserError(f"--by={by!r} is given, but no run was evaluated")
        return None
    ranked = columns_of(runs, by)
    sortable = (column for column in ranked if column.larger_is_better is not None)
    return next(sortable, next(iter(ranked), None))


def _order(run: Run, column: Column | None) -> tuple:
    value = None if column is None else column.value(run)
    if value is None:
        return True, 0.0, str(run.workdir)
    return False, value if column.larger_is_better is False else -value, str(run.workdir)


def _text(column: Column, run: Run) -> str:
    value = column.value(run)
    return MISSING if value is None else f"{value:.{1 if column.percent else column.digits}f}"


def _steps(state: State) -> str:
    return f"{state.step}" if state.of is None else f"{state.step} of {state.of}"


def main(argv: Sequence[str]) -> int:
    """The binary."""
    parser = ArgumentParser(
        prog="python -m jcl.runs", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument(
        "--by", default="", metavar="REGEX", help="a score, such as 'linear top-1' (default: kNN)"
    )
    try:
        given = parser.parse_args(argv)
        table = list_runs(given.folders, given.by)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
