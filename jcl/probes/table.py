"""The tables of results that evaluation prints."""

import io
import math
import re

from rich import box
from rich.console import Console
from rich.table import Table

from jcl.probes.further_scores import FURTHER_SCORES

_NOTHING = "\N{EN DASH}"


def results_table(results: dict) -> str:
    """Scores of raw inputs, of the untrained and the trained encoder, and of further outputs.

    There are up to five tables of 80 columns: classification; regression, if there is a mean
    absolute error; low-shot probes; networks that were trained or fine-tuned with labels; and
    `FURTHER_SCORES`, if there are any.

    Args:
        results: the content of results.json: {"step": k, "knn": {"top1": x, "mae": e}, "linear":
            {"top1": x, "top1_std": s, "low_shot": {"0.01": {"top1", "examples"}, ..}}, "ridge":
            {"mae": e, "mae_interval": [low, high], "r2": r, "spearman": r, "low_shot": {..}},
            "untrained": {"knn": .., "linear": ..}, "pixels": {..}, "projection": {..}}, with a
            section for each output after the first of "settings". "concatenated" is for the
            features of several runs. "inputs" replaces "pixels" if examples are feature vectors.
            "head", and "finetune" by the share of labels, hold {"top1"} and {"mae",
            "mae_interval", ..}. Accuracies are fractions. A missing score is shown as an en dash;
            a row without any score is left out.

    Returns:
        Plain lines without escape codes. Accuracies are in percent, those of linear and low-shot
        probes with the standard deviation over seeds.
    """
    rows = _rows(results)
    regression = any(_has(scores, probe, "mae") for _, scores in rows for probe in ("knn", "ridge"))
    classification = any(
        _has(scores, probe, "top1") for _, scores in rows for probe in ("knn", "linear")
    )
    tables = []
    if classification or not regression:
        tables.append(_classification(rows))
    if regression:
        tables.append(_regression(rows))
    if any(_shares(scores) for _, scores in rows):
        tables.append(_low_shot(rows))
    if results.get("head") or results.get("finetune"):
        tables.append(_heads(results))
    if any(_further(scores) for _, scores in rows):
        tables.append(_further_scores(rows))
    return "\n\n".join(map(_text, tables))


def _rows(results: dict) -> list[tuple[str, dict]]:
    # Older runs, without names of outputs, probed features, and the projection on request.
    settings = results.get("settings", {})
    first, *others = settings.get("outputs") or ("features", "projection")
    trained, untrained = (
        f"{kind} {'encoder' if first == 'features' else first}" for kind in ("trained", "untrained")
    )
    if "step" in results:
        trained += f", step {results['step']}"
    raw = ("raw inputs", "inputs") if "inputs" in results else ("raw pixels", "pixels")
    baselines = (raw[0], results.get(raw[1])), (untrained, results.get("untrained"))
    further = [
        ("its projection" if name == "projection" else name, results.get(name)) for name in others
    ]
    joined = ("with other runs' features", results.get("concatenated"))
    rows = [*baselines, (trained, results), *further, joined]
    return [(name, scores) for name, scores in rows if scores or scores is results]


def _classification(rows) -> Table:
    table = _table("features", "kNN top-1, %", "linear top-1, %")
    for name, scores in rows:
        table.add_row(name, _percent(scores.get("knn")), _percent(scores.get("linear")))
    return table


def _regression(rows) -> Table:
    table = _table("features", "kNN MAE", "ridge MAE [95%]", "R²", "Spearman")
    for name, scores in rows:
        knn, ridge = scores.get("knn") or {}, scores.get("ridge") or {}
        table.add_row(
            name,
            _error(knn.get("mae")),
            _mae(ridge),
            _number(ridge.get("r2"), ".3f"),
            _number(ridge.get("spearman"), ".3f"),
        )
    return table


def _low_shot(rows) -> Table:
    """A row for each share and features, without empty columns."""
    shares = {share for _, scores in rows for share in _shares(scores)}
    columns = []
    if any((scores.get("linear") or {}).get("low_shot") for _, scores in rows):
        columns.append("linear top-1, %")
    if any((scores.get("ridge") or {}).get("low_shot") for _, scores in rows):
        columns += ["ridge MAE", "R²"]
    table = _table("labels", "features", *columns, left=2)
    for share in sorted(shares, key=float):
        for name, scores in rows:
            linear, ridge = (
                ((scores.get(probe) or {}).get("low_shot") or {}).get(share, {})
                for probe in ("linear", "ridge")
            )
            examples = linear.get("examples") or ridge.get("examples")
            if examples is None:
                continue
            cells = {
                "linear top-1, %": _percent(linear),
                "ridge MAE": _error(ridge.get("mae"), ridge.get("mae_std")),
                "R²": _number(ridge.get("r2"), ".3f"),
            }
            used = f"{100 * float(share):g}% ({examples:,})"
            table.add_row(used, name.partition(",")[0], *(cells[column] for column in columns))
    return table


def _heads(results: dict) -> Table:
    """Scores of networks that were trained with labels end to end."""
    scored = {}
    if results.get("head"):
        scored["head, as trained"] = results["head"]
    for share, scores in (results.get("finetune") or {}).items():
        scored[f"fine-tuned, {100 * float(share):g}% ({scores['examples']:,})"] = scores
    columns = []
    if any("top1" in scores for scores in scored.values()):
        columns.append("top-1, %")
    if any("mae" in scores for scores in scored.values()):
        columns += ["MAE [95%]", "R²"]
    table = _table("whole network", *columns)
    for name, scores in scored.items():
        cells = {
            "top-1, %": _percent(scores),
            "MAE [95%]": _mae(scores),
            "R²": _number(scores.get("r2"), ".3f"),
        }
        table.add_row(name, *(cells[column] for column in columns))
    return table


def _further_scores(rows) -> Table:
    """A row for each score that occurs, a column for each kind of features."""
    table = _table("score", *(_short(name) for name, _ in rows))
    found = [_further(scores) for _, scores in rows]
    for score in FURTHER_SCORES:
        if any(score.title in cells for cells in found):
            table.add_row(score.title, *(cells.get(score.title, _NOTHING) for cells in found))
    return table


def _short(name: str) -> str:
    """The short name of features for a column: "trained" for "trained encoder, step 400"."""
    return re.sub(r"^(raw|its) |( encoder)?(, step \d+)?$", "", name)


def _further(scores: dict) -> dict[str, str]:
    """The `FURTHER_SCORES` of features, by title."""
    cells = {}
    for score in FURTHER_SCORES:
        value = scores
        for key in score.path:
            value = (value or {}).get(key)
        if value is not None:
            cells[score.title] = f"{100 * value:.1f}" if score.percent else f"{value:.3g}"
    return cells


def _mae(scores: dict) -> str:
    mae = _error(scores.get("mae"))
    if scores.get("mae_interval"):
        low, high = (_error(end) for end in scores["mae_interval"])
        mae += f" [{low}, {high}]"
    return mae


def _shares(scores: dict) -> set[str]:
    probes = (scores.get("linear") or {}, scores.get("ridge") or {})
    return {share for probe in probes for share in probe.get("low_shot") or {}}


def _has(scores: dict, probe: str, name: str) -> bool:
    return (scores.get(probe) or {}).get(name) is not None


def _table(*columns: str, left: int = 1) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place, column in enumerate(columns):
        named = place < left
        table.add_column(column, justify="left" if named else "right", no_wrap=named)
    return table


def _text(table: Table) -> str:
    # A fixed width, so that the text is the same on a terminal, in a file and in a test.
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(table)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    return "\n".join(lines).strip("\n")


def _percent(score: dict | None) -> str:
    if not score or score.get("top1") is None:
        return _NOTHING
    text = f"{100 * score['top1']:.1f}"
    if score.get("top1_std") is not None:
        text += f" ± {100 * score['top1_std']:.1f}"
    return text


def _number(value: float | None, form: str) -> str:
    return _NOTHING if value is None else f"{value:{form}}"


def _error(value: float | None, std: float | None = None) -> str:
    """Three digits, in units of the target; the deviation with the same number of decimals."""
    if value is None:
        return _NOTHING
    if 0 < abs(value) < 1e-3:
        return f"{value:#.3g}" + ("" if std is None else f" ± {std:.1g}")
    decimals = max(2 - math.floor(math.log10(abs(value) or 1)), 0)
    return f"{value:,.{decimals}f}" + ("" if std is None else f" ± {std:,.{decimals}f}")
