"""A report as Markdown, and the same as one HTML page that needs nothing else."""

import base64
import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from markdown_it import MarkdownIt

from jcl.config import base, flatten
from jcl.report.columns import MISSING, Column, best
from jcl.report.runs import Group, Run, show

_ARROWS = {True: " ↑", False: " ↓", None: ""}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; white-space: nowrap; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums; }
th { border-bottom: 2px solid #888; }
img { max-width: 100%; }
"""


def markdown_table(groups: Sequence[Group], columns: Sequence[Column]) -> str:
    """One row a group: what differs, how many seeds, the scores; the best of a column is bold."""
    keys = list(groups[0].setting)
    rows = [
        [f"`{key}`" for key in keys]
        + ["seeds", *(column.title + _ARROWS[column.larger_is_better] for column in columns)],
        ["---"] * len(keys) + ["--:"] * (1 + len(columns)),
    ]
    winners = [best(column, groups) for column in columns]
    for group in groups:
        cells = [column.cell(group) for column in columns]
        cells = [
            f"**{cell}**" if group in winning else cell
            for cell, winning in zip(cells, winners, strict=True)
        ]
        settings = [_escape(show(value)) for value in group.setting.values()]
        rows.append([*settings, str(len(group.measured)), *cells])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def to_markdown(
    groups: Sequence[Group],
    columns: Sequence[Column],
    remarks: Sequence[str],
    figures: Mapping[str, str],
) -> str:
    """The whole report.

    Args:
        groups: one or more.
        columns: of the table.
        remarks: sentences about runs.
        figures: file name -> caption.
    """
    runs = [run for group in groups for run in group.runs]
    measured = sum(len(group.measured) for group in groups)
    parts = ["# Report", f"{measured} of {len(runs)} runs have results."]
    lacking = [run for run in runs if run.results is None]
    stale = [(run, last) for run in runs if (last := _step_after_results(run))]
    notes = [f"{run.workdir} has no results." for run in lacking]
    notes += [
        f"{run.workdir}: results are of step {run.results['step']}, training is at {last} or later."
        for run, last in stale
    ]
    if notes or remarks:
        parts.append("\n".join(f"- {_escape(note)}" for note in [*notes, *remarks]))
    parts.append(markdown_table(groups, columns).rstrip("\n"))
    said = (
        "Scores are means ± sample standard deviations over the seeds that have results; of a "
        "single seed, its score and the 95% interval where the probe gives one. Bold is the best "
        f"mean of a column, whatever the deviations; {MISSING} is what was not measured."
    )
    parts.append(said)
    if common := _common_settings(groups):
        parts.append(f"The same in all runs, where not the default: {common}.")
    parts += [
        f"![{caption.partition(':')[0]}]({name})\n\n{caption}." for name, caption in figures.items()
    ]
    return "\n\n".join(parts) + "\n"


def to_html(markdown: str, folder: Path) -> str:
    """The same as a page of its own, with the images of the folder within it."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for token in tokens:
        for inline in token.children or ():
            if inline.type == "image":
                image = (folder / inline.attrs["src"]).read_bytes()
                encoded = base64.b64encode(image).decode()
                inline.attrs["src"] = f"data:image/png;base64,{encoded}"
    body = parser.renderer.render(tokens, parser.options, {})
    title = html.escape(re.search("# (.*)", markdown)[1])
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n{body}</html>\n"
    )


def _step_after_results(run: Run) -> int | None:
    """The last logged step, where it is past the one that the results are of."""
    if run.results is None or not run.metrics or "step" not in run.results:
        return None
    last = run.metrics[-1]["step"]
    return last if last > run.results["step"] else None


def _common_settings(groups: Sequence[Group]) -> str:
    default, differing = flatten(base()), {"seed", *groups[0].setting}
    runs = [run for group in groups for run in group.runs]
    return ", ".join(
        f"`{key}={show(value)}`"
        for key, value in runs[0].config.items()
        if key not in differing and value != default.get(key)
        if all(run.config.get(key) == value for run in runs)
    )


def _escape(text: str) -> str:
    return re.sub(r"([\\|*<`])", r"\\\1", text)
