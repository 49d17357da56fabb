"""Reads the tables of docs/demonstrations.md: what was fixed before any run, and what came out."""

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


class Outcome(NamedTuple):
    """A row of the table of outcomes.

    Attributes:
        row: the method, and its number.
        claim: as in the first table.
        baseline: mean and spread of its score over the seeds.
        method: the same of the method.
        difference: the same of the difference of both.
        asked: the relation and the margin.
        verdict: shown, not shown, or how many seeds were run.
    """

    row: str
    claim: str
    baseline: str
    method: str
    difference: str
    asked: str
    verdict: str


def demonstrations(text: str | None = None) -> list[Demonstration]:
    """The rows of the page's first table; a baseline without a score has the method's.

    Args:
        text: of the page; None reads it.
    """
    tables = _tables(text)
    if not tables:
        raise SystemExit(f"error: {PAGE} has no table that begins with a column `row`")
    return [_of_cells(*line) for line in tables[0]]


def outcomes(text: str | None = None) -> list[Outcome]:
    """The rows of the page's second table, of those claims whose seeds were all run.

    Args:
        text: of the page; None reads it.
    """
    found = [Outcome(*line) for table in _tables(text)[1:] for line in table]
    return [outcome for outcome in found if outcome.verdict in ("shown", "not shown")]


def _tables(text: str | None) -> list[list[list[str]]]:
    text = PAGE.read_text() if text is None else text
    tables = re.findall(r"^\| row \|.*\n\|[-| :]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [
        [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
        for table in tables
    ]


def _of_cells(
    row: str, claim: str, score: str, baseline: str, method: str, shown: str
) -> Demonstration:
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
