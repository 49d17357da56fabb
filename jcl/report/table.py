"""The table of a report, before it is Markdown or a page."""

import dataclasses
from collections.abc import Sequence

from jcl.report.columns import Column, best
from jcl.report.runs import Group, show

_ARROWS = {True: " ↑", False: " ↓", None: ""}


@dataclasses.dataclass(frozen=True)
class Heading:
    """The head of a column.

    Attributes:
        text: a config key, or what was measured.
        is_key: whether it is a config key.
    """

    text: str
    is_key: bool = False


@dataclasses.dataclass(frozen=True)
class Cell:
    """What stands in a row of a column.

    Attributes:
        text: as it is read.
        value: what rows are sorted and filtered by; None where the text is no number, or there is
            none.
        is_best: whether no mean of the column is better.
    """

    text: str
    value: float | None = None
    is_best: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """One row a group: what differs, how many seeds were measured, the scores.

    Attributes:
        headings: of the columns.
        rows: as many cells each, in the order of the groups.
    """

    headings: Sequence[Heading]
    rows: Sequence[Sequence[Cell]]


def make_table(groups: Sequence[Group], columns: Sequence[Column]) -> Table:
    """The table of some groups.

    Args:
        groups: one or more.
        columns: the scores to show.
    """
    headings = [Heading(key, is_key=True) for key in groups[0].setting]
    headings += [Heading("seeds")]
    headings += [Heading(c.title + _ARROWS[c.larger_is_better]) for c in columns]
    winners = [best(column, groups) for column in columns]
    rows = []
    for group in groups:
        row = [Cell(show(value), _number(value)) for value in group.setting.values()]
        row.append(Cell(str(len(group.measured)), len(group.measured)))
        row += [
            Cell(column.cell(group), column.mean(group), group in winning)
            for column, winning in zip(columns, winners, strict=True)
        ]
        rows.append(row)
    return Table(headings, rows)


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
