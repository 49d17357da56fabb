"""Maps of features and pictures of views as a page carries them: what runs share stands once."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jcl.errors import UserError
from jcl.probes.kept_map import SPRITE, read_map
from jcl.report.runs import Run
from jcl.runtime import workdir as workdir_lib

_VIEWS = "views.png"


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
        {"run", "views", "map"}, or {} where no run has any. "run" is the run's number. "views" is a
        place in `shared`, and so are the entries of "map" but for the positions and the size of
        thumbnails; what a run does not have is None.

    Raises:
        UserError: a file is not what jcl writes.
    """
    for number, run in runs.items():
        figures = run.workdir / workdir_lib.FIGURES
        try:
            views = _address(figures / _VIEWS, "image/png")
            found = _map_of(figures, shared)
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{figures} cannot be read as figures of jcl: {error}") from error
        if views or found:
            return {"run": number, "views": shared.place(views), "map": found}
    return {}


def _map_of(figures: Path, shared: Shared) -> dict[str, Any] | None:
    found = read_map(figures)
    if found is None:
        return None
    sprite = None if found.thumbnail is None else _address(figures / SPRITE, "image/jpeg")
    lists = {
        "rows": found.rows,
        "label": found.label,
        "target": found.target,
        "class_names": found.class_names,
    }
    return {
        "position": [[_short(x), _short(y)] for x, y in found.position],
        "thumbnail": found.thumbnail,
        "sprite": shared.place(sprite),
        **{key: shared.place(value) for key, value in lists.items()},
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _address(path: Path, kind: str) -> str | None:
    """The file as an address that needs no file; None where there is no such file."""
    if not path.exists():
        return None
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
