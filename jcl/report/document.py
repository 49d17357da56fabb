"""What a report says, and the report as Markdown."""

import re
from collections.abc import Mapping, Sequence

from jcl.config import base, flatten
from jcl.report.columns import MISSING
from jcl.report.runs import Group, Run, show
from jcl.report.table import Table


def markdown_table(table: Table) -> str:
    """The table as Markdown; the best of a column is bold."""
    heads = [f"`{head.text}`" if head.is_key else head.text for head in table.headings]
    marks = ["---" if head.is_key else "--:" for head in table.headings]
    cells = [
        [f"**{cell.text}**" if cell.is_best else _escape(cell.text) for cell in row]
        for row in table.rows
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in [heads, marks, *cells])


def to_markdown(
    groups: Sequence[Group], table: Table, remarks: Sequence[str], figures: Mapping[str, str]
) -> str:
    """The whole report.

    Args:
        groups: one or more.
        table: of the groups.
        remarks: sentences about runs.
        figures: file name -> caption.
    """
    parts = ["# Report", measured(groups)]
    if said := [*notes(groups), *remarks]:
        parts.append(as_list(said))
    parts += [markdown_table(table).rstrip("\n"), *explained(groups)]
    parts += [
        f"![{caption.partition(':')[0]}]({name})\n\n{caption}." for name, caption in figures.items()
    ]
    return "\n\n".join(parts) + "\n"


def measured(groups: Sequence[Group]) -> str:
    """How many runs have results."""
    of_runs = sum(len(group.runs) for group in groups)
    return f"{sum(len(group.measured) for group in groups)} of {of_runs} runs have results."


def notes(groups: Sequence[Group]) -> list[str]:
    """Sentences on runs without results, or with results of an earlier step."""
    runs = [run for group in groups for run in group.runs]
    lacking = [f"{run.workdir} has no results." for run in runs if run.results is None]
    return lacking + [
        f"{run.workdir}: results are of step {run.results['step']}, training is at {last} or later."
        for run in runs
        if (last := _step_after_results(run))
    ]


def as_list(sentences: Sequence[str]) -> str:
    """A list in Markdown."""
    return "\n".join(f"- {_escape(sentence)}" for sentence in sentences)


def explained(groups: Sequence[Group]) -> list[str]:
    """Paragraphs in Markdown on what the table's cells are, and what all runs have in common."""
    said = [
        "Scores are means ± sample standard deviations over the seeds that have results; of a "
        "single seed, its score and the 95% interval where the probe gives one. Bold is the best "
        f"mean of a column, whatever the deviations; {MISSING} is what was not measured."
    ]
    if common := _common_settings(groups):
        said.append(f"The same in all runs, where not the default: {common}.")
    return said


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
