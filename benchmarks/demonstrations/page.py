"""Reads from the table of docs/demonstrations.md what was fixed before any run."""

import operator
import re
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "demonstrations.md"
_HOLDS = {">=": operator.ge, "<=": operator.le}


class Score(NamedTuple):
    """A number of a run.

    Attributes:
        cell: of configs/demonstrations.py.
        path: the file of the run's folder without .json, then its keys from the outside in.
    """

    cell: str
    path: tuple[str, ...]


class Demonstration(NamedTuple):
    """A row of the table.

    Attributes:
        row: the method, and its number.
        claim: in a sentence.
        baseline: what the method is compared with.
        method: the score that the claim is about.
        relation: of the difference, method less baseline, to the margin: >= or <=.
        margin: in the score's unit; percentages are shares of 1.
    """

    row: str
    claim: str
    baseline: Score
    method: Score
    relation: str
    margin: float

    def holds(self, difference: float) -> bool:
        """Whether a difference is as the margin asks."""
        return _HOLDS[self.relation](difference, self.margin)


def demonstrations(text: str | None = None) -> list[Demonstration]:
    """The rows of the page's first table; a baseline without a score has the method's.

    Args:
        text: of the page; None reads it.
    """
    text = PAGE.read_text() if text is None else text
    table = re.search(r"^\| row \|.*\n\|[-| :]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    if table is None:
        raise SystemExit(f"error: {PAGE} has no table that begins with a column `row`")
    return [_of_line(line) for line in table[1].splitlines()]


def _of_line(line: str) -> Demonstration:
    row, claim, score, baseline, method, shown = (cell.strip() for cell in line.split("|")[1:-1])
    cell, *other = re.findall("`([^`]+)`", baseline)
    path = score.strip("`")
    relation, margin = shown.strip("`").split()
    return Demonstration(
        row,
        claim,
        Score(cell, tuple((other or [path])[0].split("/"))),
        Score(method.strip("`"), tuple(path.split("/"))),
        relation,
        float(margin),
    )
