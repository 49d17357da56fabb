"""Writes the report as one HTML page, which needs no other file, no network and no server."""

import base64
import hashlib
import html
import importlib.resources
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from jcl.report.document import as_list, explained, measured, notes
from jcl.report.page.curves import curves_of, metric_names
from jcl.report.page.pictures import Shared, pictures_of
from jcl.report.runs import Group
from jcl.report.table import Cell, Table

_SCRIPTS = ("data.js", "table.js", "plot.js", "curves.js", "pictures.js", "start.js")
_FEW = 5  # sentences that stand open
# What the script draws in place of it.
_REPLACED = "loss.png"
_MARKDOWN = MarkdownIt("commonmark", {"html": False})


def to_html(
    groups: Sequence[Group],
    table: Table,
    remarks: Sequence[str],
    figures: Mapping[str, str],
    folder: Path,
) -> str:
    """The report as a page.

    Without JavaScript it is a table and figures. A policy in it forbids all connections, and every
    script but its own.

    Args:
        groups: one or more.
        table: of the groups, a row each.
        remarks: sentences about runs.
        figures: file name -> caption.
        folder: that the figures lie in.

    Raises:
        UserError: a file of a workdir is not what jcl writes.
    """
    script = "".join(_asset(name) for name in _SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    sentences = [*notes(groups), *remarks]
    said = _MARKDOWN.render(as_list(sentences)) if sentences else ""
    if len(sentences) > _FEW:
        said = f"<details><summary>{len(sentences)} remarks on runs</summary>{said}</details>"
    parts = {
        "POLICY": (
            "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
            f"script-src 'sha256-{digest}'"
        ),
        "STYLE": _asset("page.css"),
        "MEASURED": _MARKDOWN.render(measured(groups)),
        "NOTES": said,
        "TABLE": _table(table),
        "EXPLAINED": _MARKDOWN.render("\n\n".join(explained(groups))),
        "FIGURES": "".join(_figure(folder / name, text) for name, text in figures.items()),
        "DATA": _data(groups),
        "SCRIPT": script,
    }
    page = _asset("page.html")
    before, *rest = page.split("{{")
    pieces = (piece.split("}}", 1) for piece in rest)
    return before + "".join(parts[name] + after for name, after in pieces)


def _table(table: Table) -> str:
    heads = [
        f'<th scope="col"><code>{html.escape(head.text).replace(".", ".<wbr>")}</code></th>'
        if head.is_key
        else f'<th scope="col" class="score">{html.escape(head.text)}</th>'
        for head in table.headings
    ]
    rows = [
        f"<tr>{''.join(map(_cell, row, (head.is_key for head in table.headings)))}</tr>"
        for row in table.rows
    ]
    return (
        f"<table>\n<thead><tr>{''.join(heads)}</tr></thead>\n"
        f"<tbody>\n{chr(10).join(rows)}\n</tbody>\n</table>"
    )


def _cell(cell: Cell, is_key: bool) -> str:
    value = "" if cell.value is None else f' data-value="{cell.value!r}"'
    kind = "" if is_key else ' class="score"'
    text = html.escape(cell.text)
    return f"<td{kind}{value}>{f'<strong>{text}</strong>' if cell.is_best else text}</td>"


def _figure(path: Path, caption: str) -> str:
    """A picture; the one that the script draws itself is for pages without."""
    encoded = base64.b64encode(path.read_bytes()).decode()
    title = html.escape(caption.partition(":")[0], quote=True)
    kind = ' class="replaced"' if path.name == _REPLACED else ""
    return (
        f'<figure{kind}><img alt="{title}" src="data:image/png;base64,{encoded}">'
        f"<figcaption>{html.escape(caption)}.</figcaption></figure>\n"
    )


def _data(groups: Sequence[Group]) -> str:
    """What the script reads: the groups and their runs, each metric's curves, and pictures."""
    runs = [run for group in groups for run in group.runs]
    of_runs = [number for number, group in enumerate(groups) for _ in group.runs]
    shared, names = Shared(), short_names([run.workdir for run in runs])
    described = []
    for number, group in enumerate(groups):
        members = {i: run for i, run in enumerate(runs) if of_runs[i] == number}
        described.append({"label": group.label, **pictures_of(members, shared)})
    report = {
        "groups": described,
        "runs": [{"group": i, "name": name} for i, name in zip(of_runs, names, strict=True)],
    }
    return "".join(
        [
            _json(report, 'id="report"'),
            _json(shared.values, 'id="shared"'),
            *(
                _json(curves_of(runs, name), f'class="metric" data-name="{html.escape(name)}"')
                for name in metric_names(runs)
            ),
        ]
    )


def short_names(workdirs: Sequence[Path]) -> list[str]:
    """Paths from the folder on that holds all of them; of a single one its own name."""
    paths = [workdir.resolve() for workdir in workdirs]
    root = os.path.commonpath([path.parent for path in paths])
    return [str(path.relative_to(root)) for path in paths]


def _json(value: Any, attributes: str) -> str:
    """Data in the page; without "<" no text in it can end its element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" {attributes}>{text}</script>\n'


def _asset(name: str) -> str:
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
