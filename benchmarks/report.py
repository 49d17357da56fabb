"""The report of a machine, from what the parts of `benchmarks/machine.sh` printed.

    python -m benchmarks.report FOLDER > benchmarks/reports/DATE_MACHINE.md

FOLDER holds machine.json, which says what the machine is, parts.tsv, which has a line for every
part that ended (name, status, seconds, limit, command), and of each part PART.log, what it printed,
and PART.err, its complaints. A table of a part stands in the report as it is, and other lines as
text. Parts that were cut off or failed say so. All reports of benchmarks/reports/ begin alike.
"""

import itertools
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

TITLES = {
    "losses": "Losses, value and gradient",
    "torch_losses": "The same in PyTorch",
    "step_resnet50": "Train step, ResNet-50",
    "step_vit_b": "Train step, ViT-B/16",
    "step_shapes": "Train step, the quickstart's ConvNet",
    "torch_steps": "Train steps in PyTorch",
    "interrupted": "The quickstart, taken away",
    "resumed": "The quickstart, resumed",
    "probed": "The quickstart, probed",
    "tests": "Tests of losses",
}
# The rows of a report's head, by the keys of machine.json.
HEAD = {"host": "Host", "driver": "Driver", "software": "Software", "jcl": "jcl"}
_OUT_OF_TIME = (124, 137)
_PROGRESS = re.compile(r"[.FEsxX]+( +\[ *\d+%\])?|bringing up nodes\.\.\.")  # of tests


class Part(NamedTuple):
    """A line of parts.tsv."""

    name: str
    status: int
    seconds: int
    limit: int
    command: str


def report(folder: Path) -> str:
    """The report as Markdown."""
    machine = json.loads((folder / "machine.json").read_text())
    lines = (folder / "parts.tsv").read_text().splitlines()
    parts = [Part(n, *map(int, numbers), c) for n, *numbers, c in (x.split("\t") for x in lines)]
    head = [f"# {machine['device']}, {machine['date']}", "", "| | |", "|---|---|"]
    head += [f"| {title} | {machine[key] or 'not known'} |" for key, title in HEAD.items()]
    head += ["| Made by | `benchmarks/machine.sh`, compilation caches empty |"]
    lines = [*head, *itertools.chain.from_iterable(_section(folder, part) for part in parts)]
    return "\n".join(lines).replace(str(folder.resolve()), "OUT")


def _section(folder: Path, part: Part) -> list[str]:
    command = part.command if len(part.command) < 200 else f"{part.command[:197]}..."
    said = [f"`{command}`: {_outcome(part)}."]
    log = (folder / f"{part.name}.log").read_text()
    for is_table, lines in itertools.groupby(_worth_reading(log), lambda x: x.startswith("|")):
        block = list(lines)
        said += ["", *block] if is_table else ["", "```text", *block, "```"]
    if part.status:
        last = (folder / f"{part.name}.err").read_text().strip().splitlines()[-1:]
        said += ["", *(f"Its last complaint: `{line[:300]}`" for line in last)]
    return ["", f"## {TITLES.get(part.name, part.name)}", "", *said]


def _outcome(part: Part) -> str:
    if part.status == 0:
        return f"{part.seconds} s"
    if part.status in _OUT_OF_TIME:
        return f"cut off at its limit of {part.limit} s; what follows is what it had by then"
    return f"failed with status {part.status} after {part.seconds} s"


def _worth_reading(log: str) -> list[str]:
    """Without empty lines, and without the progress of tests."""
    lines = (line.rstrip() for line in log.splitlines())
    return [line for line in lines if line and not _PROGRESS.fullmatch(line)]


if __name__ == "__main__":
    print(report(Path(sys.argv[1])))
