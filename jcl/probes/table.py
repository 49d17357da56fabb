"""The table that a run ends with."""

import io

from rich import box
from rich.console import Console
from rich.table import Table


def results_table(results: dict) -> str:
    """Scores of raw pixels, the untrained and the trained encoder, as plain text.

    Args:
        results: what results.json holds: {"step": k, "knn": {"top1": x}, "linear": {"top1": x,
            "top1_std": s}, "untrained": {"knn": .., "linear": ..}, "pixels": {..}}. Scores are
            fractions; anything absent shows as "–".

    Returns:
        Lines of text without escape codes; scores in percent, linear ones with the standard
        deviation over seeds.
    """
    trained = "trained encoder"
    if "step" in results:
        trained += f", step {results['step']}"
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("features")
    table.add_column("kNN top-1, %", justify="right")
    table.add_column("linear top-1, %", justify="right")
    for name, scores in (
        ("raw pixels", results.get("pixels")),
        ("untrained encoder", results.get("untrained")),
        (trained, results),
    ):
        scores = scores or {}
        table.add_row(name, _percent(scores.get("knn")), _percent(scores.get("linear")))
    # A width of its own: the text is the same on a terminal, in a file and in a test.
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(table)
    return "\n".join(line.rstrip() for line in console.file.getvalue().strip("\n").splitlines())


def _percent(score: dict | None) -> str:
    if not score or score.get("top1") is None:
        return "\N{EN DASH}"
    text = f"{100 * score['top1']:.1f}"
    if score.get("top1_std") is not None:
        text += f" ± {100 * score['top1_std']:.1f}"
    return text
