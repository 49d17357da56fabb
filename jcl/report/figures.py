"""Figures of a report: how the losses fell, and scores against the batch size."""

import statistics
import textwrap
from collections.abc import Sequence
from pathlib import Path

from jcl.probes.plots import new_figure, plain_axes, save_figure
from jcl.report.colors import colors
from jcl.report.columns import Column, mean_and_deviation
from jcl.report.runs import Group, show

_MOST_NAMED = 20  # of more curves no legend can be read
_LINE = 0.18  # inches, of a legend
_WIDEST = 130  # characters that fit beside each other


def loss_curves(groups: Sequence[Group], path: Path) -> bool:
    """Draws the loss of every group: a thin line each seed, and their mean.

    The mean is over the steps that all of the group's seeds have logged.

    Returns:
        Whether there was anything to draw; nothing is written otherwise.
    """
    drawn = [group for group in groups if any(run.metrics for run in group.runs)]
    if not drawn:
        return False
    named = len(drawn) <= _MOST_NAMED
    figure = new_figure(9.0, 4.5 + _LINE * named * len(drawn))
    axes = figure.subplots()
    for color, group in zip(colors(len(drawn)), drawn, strict=True):
        curves = [{x["step"]: x["loss"] for x in run.metrics} for run in group.runs if run.metrics]
        for curve in curves:
            axes.plot(list(curve), list(curve.values()), color=color, lw=0.6, alpha=0.35)
        steps = sorted(set.intersection(*(set(curve) for curve in curves)))
        mean = [statistics.fmean(curve[step] for curve in curves) for step in steps]
        axes.plot(steps, mean, color=color, lw=1.4, label=group.label)
    title = "Training loss, mean over seeds"
    if named:
        _legend(figure, axes)
    else:
        title += f", {len(drawn)} settings"
    axes.set(xlabel="step (completed updates)", ylabel="loss", title=title)
    plain_axes(axes)
    save_figure(figure, path)
    return True


def scores_by_batch_size(groups: Sequence[Group], columns: Sequence[Column], path: Path) -> bool:
    """Draws each headline score against the batch size, a line for each other setting.

    Points are means over seeds, bars their standard deviations.

    Returns:
        Whether the batch sizes differ and there is a score; nothing is written otherwise.
    """
    shown = [column for column in columns if column.headline]
    lines: dict[str, list[Group]] = {}
    for group in groups:
        if "batch_size" not in group.setting:
            return False
        others = [f"{k}={show(v)}" for k, v in group.setting.items() if k != "batch_size"]
        lines.setdefault(", ".join(others), []).append(group)
    if not shown:
        return False
    named = 1 < len(lines) <= _MOST_NAMED
    figure = new_figure(4.5 * len(shown) + 2.0, 4.0 + _LINE * named * len(lines))
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, column in zip(panels, shown, strict=True):
        pairs = zip(colors(len(lines)), lines.items(), strict=True)
        for i, (color, (label, members)) in enumerate(pairs):
            sizes, means, deviations = _points(column, members)
            if sizes:
                # A little beside each other, or bars would hide bars.
                aside = 1.02 ** (i - (len(lines) - 1) / 2)
                axes.errorbar(
                    *([aside * size for size in sizes], means, deviations),
                    color=color,
                    marker="o",
                    markersize=4,
                    capsize=3,
                    label=label,
                )
        sizes = sorted({group.setting["batch_size"] for group in groups})
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, labels=map(str, sizes))
        axes.set(xlabel="batch size", ylabel=column.title)
        axes.minorticks_off()
        plain_axes(axes)
    if named:
        _legend(figure, panels[-1])
    save_figure(figure, path)
    return True


def _points(column: Column, groups: Sequence[Group]) -> tuple[list, list, list]:
    sizes, means, deviations = [], [], []
    for group in groups:
        values = [v for run in group.measured if (v := column.value(run)) is not None]
        if values:
            mean, deviation = mean_and_deviation(values)
            sizes.append(group.setting["batch_size"])
            means.append(mean)
            deviations.append(deviation or 0.0)
    return sizes, means, deviations


def _legend(figure, axes) -> None:
    """Names the lines below the figure, one a row: names are long where many keys differ."""
    lines, names = axes.get_legend_handles_labels()
    names = [textwrap.fill(name, _WIDEST) for name in names]
    figure.legend(lines, names, loc="outside lower left", frameon=False, fontsize=8)
