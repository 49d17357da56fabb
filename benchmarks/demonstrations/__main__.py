"""Prints the results of the demonstrations as a table for docs/demonstrations.md.

    python -m benchmarks.demonstrations FOLDER

reads FOLDER/cell=CELL,seed=N/, which `benchmarks/study_demonstrations.sh FOLDER` made. A claim is
shown where the difference meets the margin that the page fixed, in the mean over seeds and in two
of three.
"""

import json
import statistics
import sys
from pathlib import Path

from benchmarks.demonstrations.page import Demonstration, Score, demonstrations

SEEDS = 3
_ENOUGH = 2  # seeds that must show it


def table(folder: Path) -> str:
    """The table, a line for each claim."""
    head = ("row", "claim", "baseline", "method", "difference", "asked for", "verdict")
    lines = [head, ("---",) * len(head), *(_line(folder, claim) for claim in demonstrations())]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _line(folder: Path, claim: Demonstration) -> tuple[str, ...]:
    baseline, method = (
        [value_of(folder, score, seed) for seed in range(SEEDS)]
        for score in (claim.baseline, claim.method)
    )
    done = [(b, m) for b, m in zip(baseline, method, strict=True) if None not in (b, m)]
    differences = [m - b for b, m in done]
    asked = f"{claim.relation} {claim.margin:g}"
    columns = [[b for b, _ in done], [m for _, m in done], differences]
    shown = [_mean_and_spread(column) for column in columns]
    return claim.row, claim.claim, *shown, asked, verdict(claim, differences)


def verdict(claim: Demonstration, differences: list[float]) -> str:
    """Shown, not shown, or how many seeds are still to be run."""
    if len(differences) < SEEDS:
        return f"{len(differences)} of {SEEDS} seeds were run"
    often = sum(map(claim.holds, differences)) >= _ENOUGH
    return "shown" if often and claim.holds(statistics.mean(differences)) else "not shown"


def value_of(folder: Path, score: Score, seed: int) -> float | None:
    """A score of one run; None where the run is not done or has no such score."""
    file, *keys = score.path
    path = folder / f"cell={score.cell},seed={seed}" / f"{file}.json"
    if not path.exists():
        return None
    found = json.loads(path.read_text())
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _mean_and_spread(values: list[float]) -> str:
    if not values:
        return "not run"
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


if __name__ == "__main__":
    print(table(Path(sys.argv[1])), end="")
