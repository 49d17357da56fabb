"""Maps of features and pictures of views as a page carries them: what runs share stands once."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jcl.errors import UserError
from jcl.probes.kept_map import SPRITE, KeptMap, read_map
from jcl.report.colors import colors
from jcl.report.page.plots import place_on_sprite
from jcl.report.runs import Run
from jcl.runtime import workdir as workdir_lib

_VIEWS = "views.png"
_MOST_NAMED = 20  # classes; of more no legend can be read


class Shared:
    """Values that stand once, however often they are named.

    Attributes:
        values: each once, in the order in which they came.
    """

    def __init__(self):
        self.values: list[Any] = []
        self._places: dict[str, int] = {}

    def place(self, value: Any) -> int | None:
        """Where the value stands in `values`; it is added if it is new. None stands for None."""
        if value is None:
            return None
        text = value if isinstance(value, str) else json.dumps(value)
        if text not in self._places:
            self._places[text] = len(self.values)
            self.values.append(value)
        return self._places[text]


def pictures_of(runs: Mapping[int, Run], shared: Shared) -> dict[str, Any]:
    """What evaluation drew of a group: of its first run that has anything.

    Args:
        runs: of the group, by their numbers on the page.
        shared: takes what other groups may have too: pictures as addresses data:..., and lists.

    Returns:
        {"run", "views", "map"}, or {} where no run has any. "run" is the run's number, "views" a
        place in `shared`; what a run does not have is None. A map is {"columns": name of a column
        of `map_plot` -> place of its values, "sprite": place, "colored_by": plots of `map_plot`,
        "is_named": whether a legend names the classes}.

    Raises:
        UserError: a file is not what jcl writes.
    """
    for number, run in runs.items():
        figures = run.workdir / workdir_lib.FIGURES
        try:
            views = _address(figures / _VIEWS, "image/png")
            found = _map_of(figures, shared)
        except (OSError, ValueError, TypeError, LookupError) as error:
            raise UserError(f"{figures} cannot be read as figures of jcl: {error}") from error
        if views or found:
            return {"run": number, "views": shared.place(views), "map": found}
    return {}


def _map_of(figures: Path, shared: Shared) -> dict[str, Any] | None:
    found = read_map(figures)
    if found is None:
        return None
    sprite = None if found.thumbnail is None else _address(figures / SPRITE, "image/jpeg")
    labels = [] if found.label is None else sorted(set(found.label))
    ways = {"class": found.label, "target": found.target}
    return {
        "columns": {name: shared.place(values) for name, values in _columns(found, labels).items()},
        "sprite": shared.place(sprite),
        "colored_by": [name for name, values in ways.items() if values is not None] or ["class"],
        "is_named": 0 < len(labels) <= _MOST_NAMED,
    }


def _columns(found: KeptMap, labels: Sequence[int]) -> dict[str, list]:
    """The columns of `map_plot`; in the order of the labels, which the legend's is."""
    count = len(found.rows)
    known, names = dict(zip(labels, colors(len(labels)), strict=True)), found.class_names
    label = [None] * count if found.label is None else found.label
    target = [None] * count if found.target is None else found.target
    rows = [
        {
            "x": _short(x),
            "y": _short(y),
            "row": row,
            "class": "" if a is None else f"class {a}" if names is None else names[a],
            "color": known.get(a, "gray"),
            "target": b,
            "said": "" if b is None else f"target {b:.5g}",
            "place": place_on_sprite(number, count),
        }
        for number, (row, (x, y), a, b) in enumerate(
            zip(found.rows, found.position, label, target, strict=True)
        )
    ]
    order = sorted(range(count), key=lambda i: (label[i] is not None, label[i] or 0))
    return {name: [rows[i][name] for i in order] for name in rows[0]}


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _address(path: Path, kind: str) -> str | None:
    """The file as an address that needs no file; None where there is no such file."""
    if not path.exists():
        return None
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
