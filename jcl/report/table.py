"""The table of a report, before it is Markdown or HTML."""

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

    Config keys that few groups set stand behind the scores.

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
    keys = list(groups[0].setting)
    common = [key for key in keys if _is_common(key, groups)]
    rare = [key for key in keys if key not in common]
    headings = [
        *(Heading(key, is_key=True) for key in common),
        Heading("seeds"),
        *(Heading(c.title + _ARROWS[c.larger_is_better]) for c in columns),
        *(Heading(key, is_key=True) for key in rare),
    ]
    winners = [best(column, groups) for column in columns]
    rows = [
        [
            *(_setting(group, key) for key in common),
            Cell(str(len(group.measured)), float(len(group.measured))),
            *(
                Cell(column.cell(group), column.mean(group), group in winning)
                for column, winning in zip(columns, winners, strict=True)
            ),
            *(_setting(group, key) for key in rare),
        ]
        for group in groups
    ]
    return Table(headings, rows)


def _is_common(key: str, groups: Sequence[Group]) -> bool:
    """Whether at least half of the groups set it: others are options of a few methods."""
    return 2 * sum(group.setting[key] is not None for group in groups) >= len(groups)


def _setting(group: Group, key: str) -> Cell:
    return Cell(show(group.setting[key]), _number(group.setting[key]))


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None
