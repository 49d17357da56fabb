"""Writes the report as one HTML page, which needs no other file, no network and no server."""

import base64
import hashlib
import html
import importlib.resources
import importlib.util
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bokeh.resources import Resources
from markdown_it import MarkdownIt

from jcl.report.colors import colors
from jcl.report.columns import MISSING
from jcl.report.document import as_list, explained, measured, notes
from jcl.report.page.curves import curves_of, metric_names
from jcl.report.page.pictures import Shared, pictures_of
from jcl.report.page.plots import curves_plot, map_plot
from jcl.report.runs import Group
from jcl.report.table import Cell, Heading, Table

_FEW = 5  # sentences that stand open
# What the script draws in place of it.
_REPLACED = "loss.png"
_MARKDOWN = MarkdownIt("commonmark", {"html": False})
_BOKEH = Resources(mode="inline", components=["bokeh"], log_level="error")


def to_html(
    groups: Sequence[Group],
    table: Table,
    remarks: Sequence[str],
    figures: Mapping[str, str],
    folder: Path,
) -> str:
    """The report as a page.

    Without JavaScript it is a table and figures. With it, DataTables has the table and Bokeh the
    plots. A policy in the page forbids all connections, and every script but these and its own.

    Args:
        groups: one or more.
        table: of the groups, a row each.
        remarks: sentences about runs.
        figures: file name -> caption.
        folder: that the figures lie in.

    Raises:
        UserError: a file of a workdir is not what jcl writes.
    """
    script, bokeh = _asset("page.js"), "\n".join(_BOKEH.js_raw)
    names = _names(groups)
    sentences = [*notes(groups), *remarks]
    said = _MARKDOWN.render(as_list(sentences)) if sentences else ""
    if len(sentences) > _FEW:
        said = f"<details><summary>{len(sentences)} remarks on runs</summary>{said}</details>"
    parts = {
        "POLICY": (
            "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
            f"script-src {_digest(bokeh)} {_digest(script)} blob:"
        ),
        "TABLE_STYLE": _data_tables("dt_bundle.css"),
        "STYLE": _asset("page.css"),
        "MEASURED": _MARKDOWN.render(measured(groups)),
        "NOTES": said,
        "TABLE": _table(table, groups, names),
        "EXPLAINED": _MARKDOWN.render("\n\n".join(explained(groups))),
        "FIGURES": "".join(_figure(folder / name, text) for name, text in figures.items()),
        "DATA": _data(groups, names),
        "BOKEH": bokeh,
        "SCRIPT": script,
    }
    page = _asset("page.html")
    before, *rest = page.split("{{")
    pieces = (piece.split("}}", 1) for piece in rest)
    return before + "".join(parts[name] + after for name, after in pieces)


def _table(table: Table, groups: Sequence[Group], names: Sequence[Sequence[str]]) -> str:
    """The table; its first column is for the script, which picks rows there and searches names."""
    heads = [
        f'<th scope="col"><code>{html.escape(head.text).replace(".", ".<wbr>")}</code></th>'
        if head.is_key
        else f'<th scope="col" class="{_kind(head)}">{html.escape(head.text)}</th>'
        for head in table.headings
    ]
    rows = [
        f'<tr style="--color: {color}">'
        f'<td class="key">{html.escape(" ".join(known))}</td>'
        f"{''.join(map(_cell, row, table.headings))}</tr>"
        for row, color, known in zip(table.rows, colors(len(groups)), names, strict=True)
    ]
    return (
        f'<table>\n<thead><tr><th scope="col" class="key"></th>{"".join(heads)}</tr></thead>\n'
        f"<tbody>\n{chr(10).join(rows)}\n</tbody>\n</table>"
    )


def _kind(head: Heading) -> str:
    """Scores of which the larger is the better are first sorted falling."""
    return "score" if head.text.endswith("↓") else "score falling"


def _cell(cell: Cell, head: Heading) -> str:
    """A cell, and what it is sorted and filtered by."""
    text = html.escape(cell.text)
    order = search = text if cell.value is None else repr(cell.value)
    if cell.text == MISSING:
        order = ""  # which leaves the column's other cells numbers
    kind = "" if head.is_key else ' class="score"'
    return (
        f'<td{kind} data-order="{order}" data-search="{search}">'
        f"{f'<strong>{text}</strong>' if cell.is_best else text}</td>"
    )


def _figure(path: Path, caption: str) -> str:
    """A picture; the one that the script draws itself is for pages without."""
    encoded = base64.b64encode(path.read_bytes()).decode()
    title = html.escape(caption.partition(":")[0], quote=True)
    kind = ' class="replaced"' if path.name == _REPLACED else ""
    return (
        f'<figure{kind}><img alt="{title}" src="data:image/png;base64,{encoded}">'
        f"<figcaption>{html.escape(caption)}.</figcaption></figure>\n"
    )


def _data(groups: Sequence[Group], names: Sequence[Sequence[str]]) -> str:
    """What the script reads: the groups and their runs, curves, pictures, plots and DataTables."""
    runs = [run for group in groups for run in group.runs]
    of_runs = [number for number, group in enumerate(groups) for _ in group.runs]
    shared, described = Shared(), []
    for number, (group, color) in enumerate(zip(groups, colors(len(groups)), strict=True)):
        members = {i: run for i, run in enumerate(runs) if of_runs[i] == number}
        described.append({"label": group.label, "color": color, **pictures_of(members, shared)})
    of_all = [name for known in names for name in known]
    report = {
        "groups": described,
        "runs": [{"group": i, "name": name} for i, name in zip(of_runs, of_all, strict=True)],
    }
    return "".join(
        [
            _json(report, 'id="report"'),
            _json(shared.values, 'id="shared"'),
            _json(curves_plot(), 'id="curves-item"'),
            _json(map_plot(), 'id="map-item"'),
            _json(_data_tables("dt_bundle.js"), 'id="datatables"'),
            *(
                _json(curves_of(runs, name), f'class="metric" data-name="{html.escape(name)}"')
                for name in metric_names(runs)
            ),
        ]
    )


def _names(groups: Sequence[Group]) -> list[list[str]]:
    """Of each group its runs' names."""
    names = iter(short_names([run.workdir for group in groups for run in group.runs]))
    return [[next(names) for _ in group.runs] for group in groups]


def short_names(workdirs: Sequence[Path]) -> list[str]:
    """Paths from the folder on that holds all of them; of a single one its own name."""
    paths = [workdir.resolve() for workdir in workdirs]
    root = os.path.commonpath([path.parent for path in paths])
    return [str(path.relative_to(root)) for path in paths]


def _json(value: Any, attributes: str) -> str:
    """Data in the page; without "<" no text in it can end its element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" {attributes}>{text}</script>\n'


def _digest(script: str) -> str:
    """What a policy names the script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _data_tables(name: str) -> str:
    """A file of DataTables and its extensions, which itables carries; without importing it."""
    (folder,) = importlib.util.find_spec("itables").submodule_search_locations
    return Path(folder, "html", name).read_text(encoding="utf-8")


def _asset(name: str) -> str:
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
