"""Finds each method's cell of configs/self_supervised_shapes.py with the best kNN score.

    python -m benchmarks.best_rates FOLDER

reads FOLDER/cell=METHOD-FACTOR,seed=N/results.json and prints METHOD-FACTOR,METHOD-FACTOR,...
A choice needs one seed and a held-out part of the training split: anything else is an error.
"""

import json
import sys
from pathlib import Path


def best_cells(folder: Path) -> list[str]:
    """The best cell of each method, sorted by method; ties go to the smaller rate."""
    scores: dict[str, list[tuple[float, float, str]]] = {}
    for results in sorted(folder.glob("cell=*,seed=*/results.json")):
        config = json.loads((results.parent / "config.json").read_text())
        if config["data"].get("held_out") is None:
            raise SystemExit(f"error: {results} scores test examples, which choose no setting")
        cell, _, seed = results.parent.name.removeprefix("cell=").partition(",seed=")
        if seed != "0":
            raise SystemExit(f"error: {results} is of another seed, and one seed chooses")
        method, _, factor = cell.partition("-")
        top1 = json.loads(results.read_text())["knn"]["top1"]
        scores.setdefault(method, []).append((top1, -float(factor), cell))
    if not scores:
        raise SystemExit(f"error: {folder} holds no cell=METHOD-FACTOR,seed=0/results.json")
    return [max(found)[2] for found in scores.values()]


if __name__ == "__main__":
    print(*best_cells(Path(sys.argv[1])), sep=",")
