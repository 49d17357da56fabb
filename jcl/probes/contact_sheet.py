"""A picture of the nearest images or texts of queries, with the correct ones marked."""

import os
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Num

from jcl.probes.plots import drawable, eight_bits, new_figure, save_figure

_RIGHT, _WRONG = "tab:green", "0.75"
_LINE = 22  # letters
_LINES = 5


class Found(NamedTuple):
    """A query and its nearest answers.

    Attributes:
        query: an image [H, W, C], uint8, uint16 or floats in [0, 1], or a text.
        answers: images or texts, the nearest first.
        right: whether each answer is correct.
    """

    query: Num[np.ndarray, "H W C"] | str
    answers: Sequence[Num[np.ndarray, "H W C"] | str]
    right: Sequence[bool]


def contact_sheet(rows: Sequence[Found], path: str | os.PathLike, *, title: str) -> None:
    """Draws a row for each query, with the query on the left.

    Args:
        rows: all with the same number of answers.
        path: image file to write.
        title: of the figure.
    """
    columns = 1 + max(len(row.answers) for row in rows)
    figure = new_figure(1.35 * columns, 1.15 * len(rows) + 0.6)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for of_row, row in zip(axes, rows, strict=True):
        _show(of_row[0], row.query, "black")
        for axis, answer, right in zip(of_row[1:], row.answers, row.right, strict=True):
            _show(axis, answer, _RIGHT if right else _WRONG)
    axes[0, 0].set_title("query", fontsize=9)
    for number, axis in enumerate(axes[0, 1:], 1):
        axis.set_title(f"nearest {number}" if number > 1 else "nearest", fontsize=9)
    figure.suptitle(f"{title}; right ones in green", fontsize=10)
    save_figure(figure, path)


def _show(axis, content, colour: str) -> None:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(color=colour, linewidth=2)
    if isinstance(content, str):
        lines = textwrap.wrap(content, _LINE)
        text = "\n".join(lines[:_LINES]) + " ..." * (len(lines) > _LINES)
        colour = "black" if colour == _WRONG else colour
        axis.text(0.5, 0.5, text, ha="center", va="center", fontsize=6, color=colour)
    else:
        axis.imshow(eight_bits(drawable(content)), cmap="gray", vmin=0, vmax=255)
