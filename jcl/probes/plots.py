"""Figures: a grid of views, the loss curve, and a map of features by class.

Figures are objects on the Agg canvas, without pyplot, so there is no global state and no display is
needed.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Array, Float, Int, Num, UInt8
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jcl.errors import UserError
from jcl.probes.ordinality import evenly_spaced

LEAST_MAPPED = 4  # rows


def views_grid(
    views: Float[Array | np.ndarray, "n V H W C"],
    path: str | os.PathLike,
    *,
    originals: Num[Array | np.ndarray, "n h w C"] | None = None,
) -> None:
    """Draws each example's views in a row, after the original if it is given.

    Args:
        views: float [n, V, H, W, C] in [0, 1]. With two channels the first one is drawn in grey,
            with five or more the first three.
        path: image file to write.
        originals: uint8, or float in [0, 1], [n, h, w, C]; the size may differ from the views'.
    """
    views = np.asarray(views, np.float32)
    n, n_views = views.shape[:2]
    columns = [(f"view {v}", views[:, v]) for v in range(n_views)]
    if originals is not None:
        originals = np.asarray(originals)
        if originals.dtype == np.uint8:
            originals = originals / 255.0
        columns.insert(0, ("original", originals))
    figure = new_figure(1.2 * len(columns), 1.2 * n + 0.7)
    axes = figure.subplots(n, len(columns), squeeze=False)
    for column, (title, images) in enumerate(columns):
        axes[0, column].set_title(title, fontsize=9)
        for row in range(n):
            image = drawable(np.clip(images[row], 0, 1))
            axes[row, column].imshow(image, cmap="gray", vmin=0, vmax=1)
            axes[row, column].set_axis_off()
    figure.suptitle("Augmented views, one example per row", fontsize=10)
    save_figure(figure, path)


def drawable(image: Num[np.ndarray, "H W C"]) -> Num[np.ndarray, "H W ..."]:
    """What a picture shows of an image: its first channel, the first three, or all of four."""
    channels = image.shape[-1]
    if channels < 3:
        return image[..., 0]
    return image if channels <= 4 else image[..., :3]


def eight_bits(image: Num[np.ndarray, "H W ..."]) -> UInt8[np.ndarray, "H W ..."]:
    """An image of uint8, uint16 or floats in [0, 1] as uint8."""
    if np.issubdtype(image.dtype, np.floating):
        return np.uint8(np.clip(255 * image, 0, 255).round())
    return image if image.dtype == np.uint8 else np.uint8(image >> 8)


def loss_curve(
    steps: Num[Array | np.ndarray, " s"] | Sequence[int],
    losses: Num[Array | np.ndarray, " s"] | Sequence[float],
    path: str | os.PathLike,
) -> None:
    """Draws the loss of each logged step, and its running mean if there are enough steps.

    Args:
        steps: completed updates, [s].
        losses: loss of each step's batch, [s].
        path: image file to write.

    Raises:
        UserError: nothing to draw, or different lengths.
    """
    steps, losses = np.asarray(steps), np.asarray(losses, np.float64)
    if len(steps) == 0 or steps.shape != losses.shape:
        raise UserError(f"A loss curve needs as many losses as steps: {len(losses)}, {len(steps)}.")
    figure = new_figure(7.0, 4.0)
    axes = figure.subplots()
    window = len(losses) // 20
    smooth = window >= 3
    color = "tab:blue"
    axes.plot(steps, losses, color=color, lw=0.8, alpha=0.35 if smooth else 1, label="each batch")
    if smooth:
        mean = np.convolve(losses, np.ones(window) / window, mode="valid")
        label = f"mean of {window} logged steps"
        centre = steps[window // 2 : window // 2 + len(mean)]
        axes.plot(centre, mean, color=color, lw=1.8, label=label)
        axes.legend(frameon=False)
    axes.set(xlabel="step (completed updates)", ylabel="loss", title="Training loss")
    plain_axes(axes)
    save_figure(figure, path)


class Map(NamedTuple):
    """Positions of some rows of a feature matrix in the plane."""

    rows: Int[np.ndarray, " p"]
    position: Float[np.ndarray, "p 2"]


def tsne(features: Float[Array | np.ndarray, "n D"], *, max_points: int = 1000) -> Map:
    """A t-SNE map of features, which `embedding_map` draws.

    t-SNE (van der Maaten & Hinton, JMLR 2008) of cosine distances, perplexity 30, started from
    principal components with a fixed seed, so the same features give the same map. Neighbourhoods
    on the map have a meaning; distances between clusters and their sizes do not.

    Args:
        features: float [n, D], n at least `LEAST_MAPPED`.
        max_points: largest number of rows; if there are more, evenly spaced ones are taken. 1,000
            take about 5 s, 2,000 about 12 s.

    Raises:
        UserError: too few rows.
    """
    features = np.asarray(features, np.float32)
    n = len(features)
    if n < LEAST_MAPPED:
        raise UserError(f"A map needs {LEAST_MAPPED} or more rows, not {n}.")
    rows = evenly_spaced(n, max_points)
    return Map(rows, _positions(features[rows]))


def embedding_map(
    features: Map,
    labels: Num[Array | np.ndarray, " n"],
    path: str | os.PathLike,
    *,
    class_names: Sequence[str] | None = None,
    title: str = "Test features",
) -> None:
    """Draws a map of features, coloured by class or by continuous target.

    Args:
        features: `tsne` of the features [n, D].
        labels: integer classes [n], or float targets [n] for a colour bar.
        path: image file to write.
        class_names: names for the legend, indexed by label.
        title: of the figure.

    Raises:
        UserError: fewer labels than features.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or features.rows.max() >= len(labels):
        raise UserError(f"A map needs a label for each row of the features, not {labels.shape}.")
    position, labels = features.position, labels[features.rows]

    figure = new_figure(7.5, 6.0)
    axes = figure.subplots()
    style = {"s": 9, "linewidths": 0, "alpha": 0.8}
    classes = np.unique(labels)
    if np.issubdtype(labels.dtype, np.floating):
        points = axes.scatter(*position.T, c=labels, cmap="viridis", **style)
        figure.colorbar(points, label="target")
    elif len(classes) > 20:
        # A legend of this many colours would not be readable.
        axes.scatter(*position.T, c=np.searchsorted(classes, labels), cmap="turbo", **style)
        title += f", {len(classes)} classes"
    else:
        palette = colormaps["tab10" if len(classes) <= 10 else "tab20"].colors
        for color, label in zip(palette, classes, strict=False):
            name = class_names[label] if class_names is not None else f"class {label}"
            axes.scatter(*position[labels == label].T, color=color, label=name, **style)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2.5)
    axes.set(xlabel="t-SNE 1", ylabel="t-SNE 2", xticks=[], yticks=[])
    axes.set_title(f"{title} (t-SNE of {len(labels):,} examples)")
    save_figure(figure, path)


def _positions(features: np.ndarray) -> np.ndarray:
    """Two-dimensional t-SNE coordinates [n, 2] of unit rows."""
    # These take a second to import, and only this figure needs them.
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # On unit rows Euclidean neighbours are cosine neighbours.
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    perplexity = min(30.0, (len(unit) - 1) / 3)
    if np.ptp(unit, axis=0).max() == 0:  # collapsed features have no principal components
        return np.zeros((len(unit), 2))
    components = min(unit.shape[1], 2)
    init = "pca" if components == 2 else "random"
    # On one thread: with more, OpenMP's barriers make it several times slower on a busy machine.
    with threadpool_limits(1):
        return TSNE(init=init, perplexity=perplexity, random_state=0).fit_transform(unit)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, on its own canvas."""
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain_axes(axes) -> None:
    """A light grid, and no frame on the sides that have no scale."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def save_figure(figure: Figure, path: str | os.PathLike) -> None:
    """Writes the figure to an image file, and makes its folder if it is missing."""
    path = epath.Path(path)  # may be on Google's storage
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        figure.savefig(file, format=path.suffix.removeprefix("."))
