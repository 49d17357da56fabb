"""The logged metrics of runs as a page carries them: no more points than a screen shows."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jcl.report.runs import Run

# Of all curves that are drawn at once, and of one.
_POINTS, _MOST, _LEAST = 150_000, 1000, 200
_FIRST = "loss"


def metric_names(runs: Sequence[Run]) -> list[str]:
    """The metrics that some run has logged as numbers; the loss first, then by the alphabet."""
    names = {
        key
        for run in runs
        for line in run.metrics
        for key, value in line.items()
        if key != "step" and _is_number(value)
    }
    return sorted(names, key=lambda name: (name != _FIRST, name))


def curves_of(runs: Sequence[Run], name: str) -> dict[str, list]:
    """The curves of one metric.

    Args:
        runs: in the page's order.
        name: of the metric.

    Returns:
        {"steps": [lists of steps], "curves": [[number of the run, which list of steps, values]]};
        a value that is not finite is None. Runs that did not log the metric have no curve.
    """
    most = min(_MOST, max(_LEAST, _POINTS // len(runs)))
    known: dict[tuple, int] = {}
    curves = []
    for number, run in enumerate(runs):
        lines = [line for line in run.metrics if _is_number(line.get(name))]
        if lines:
            values = np.array([line[name] for line in lines], np.float64)
            kept = thinned(values, most)
            steps = tuple(lines[i]["step"] for i in kept)
            curves.append(
                [number, known.setdefault(steps, len(known)), [_short(v) for v in values[kept]]]
            )
    return {"steps": [list(steps) for steps in known], "curves": curves}


def thinned(values: Float[np.ndarray, " n"], most: int) -> Int[np.ndarray, " m"]:
    """Which of a curve's points to draw: the least and the largest of each of many equal pieces.

    The drawing looks the same where a piece is narrower than a pixel, spikes included. The first
    and the last point are kept, and of points that are not finite the first of each piece.

    Args:
        values: float [n], evenly spaced along the curve.
        most: about how many points are kept; all where there are no more.

    Returns:
        Rising integers [m], m at most `most` + half of it + 2.
    """
    if len(values) <= most:
        return np.arange(len(values))
    kept = [0, len(values) - 1]
    for piece in np.array_split(np.arange(len(values)), most // 2):
        finite = piece[np.isfinite(values[piece])]
        if len(finite):
            kept += [finite[np.argmin(values[finite])], finite[np.argmax(values[finite])]]
        if len(finite) < len(piece):
            kept.append(piece[~np.isfinite(values[piece])][0])
    return np.unique(kept)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: float) -> float | None:
    """Six digits: more than a screen shows, and a third of the bytes."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
