"""Compares runs: `python -m jcl.report DIR... [--out=runs/report]`.

Each DIR is a workdir or a folder that holds some, at any depth. Runs that differ in their seed
alone are one row of the table. OUT gets report.md, figures, and report.html, a page that needs no
other file: it sorts, filters, and shows curves, maps of features and views.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from jcl.errors import UserError
from jcl.report.columns import columns_of
from jcl.report.document import markdown_table, to_markdown
from jcl.report.figures import loss_curves, scores_by_batch_size
from jcl.report.page.write import to_html
from jcl.report.runs import find_workdirs, group_runs, other_settings, read_run
from jcl.report.table import make_table
from jcl.runtime.cli import ArgumentParser
from jcl.runtime.exits import EXIT_USER_ERROR
from jcl.runtime.folder import local_folder


def report(folders: Sequence[Path], out: Path, *, shown: str = "") -> str:
    """Writes the report of the runs in some folders; returns its table.

    Args:
        folders: workdirs, or folders that hold some.
        out: gets the files.
        shown: a regular expression; columns whose title it is found in are shown.

    Raises:
        UserError: there is no run, one cannot be read, no column is left, or `out` cannot be
            written.
    """
    runs = [read_run(workdir) for workdir in find_workdirs(folders)]
    groups, remarks = group_runs(runs)
    remarks += other_settings(runs)
    columns = columns_of(runs, shown)
    table = make_table(groups, columns)
    try:
        out.mkdir(parents=True, exist_ok=True)
        figures = {}
        if loss_curves(groups, out / "loss.png"):
            figures["loss.png"] = (
                "Training loss: a thin line each seed, a thick one their mean; losses of different "
                "methods or batch sizes are not comparable"
            )
        if scores_by_batch_size(groups, columns, out / "batch_size.png"):
            figures["batch_size.png"] = (
                "Scores against the batch size: means over seeds, bars of one standard deviation"
            )
        (out / "report.md").write_text(
            to_markdown(groups, table, remarks, figures), encoding="utf-8"
        )
        (out / "report.html").write_text(
            to_html(groups, table, remarks, figures, out), encoding="utf-8"
        )
    except OSError as error:
        raise UserError(f"the report cannot be written to {out}: {error.strerror}") from error
    return markdown_table(table)


def main(argv: Sequence[str]) -> int:
    """The binary."""
    parser = ArgumentParser(
        prog="python -m jcl.report", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    out = Path("runs/report")
    parser.add_argument("--out", type=Path, default=out, help=f"(default: {out})")
    parser.add_argument(
        "--columns",
        default="",
        metavar="REGEX",
        help="such as 'ridge MAE|ordinality' (default: all)",
    )
    try:
        given = parser.parse_args(argv)
        given.out = local_folder(given.out)
        table = report([*map(local_folder, given.folders)], given.out, shown=given.columns)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    print(f"{table}\n{given.out / 'report.md'}, {given.out / 'report.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
