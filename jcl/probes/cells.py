"""A linear probe of every cell of feature maps, for dense methods."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jcl.errors import UserError
from jcl.probes.linear import L2_GRID, linear_probe


def cell_probe(
    train_maps: Float[Array | np.ndarray, "n h w D"],
    train_cells: Int[Array | np.ndarray, "n h w"],
    test_maps: Float[Array | np.ndarray, "m H W D"],
    test_cells: Int[Array | np.ndarray, "m H W"],
    *,
    n_classes: int,
    seeds: Sequence[int] = (0,),
    l2_grid: Sequence[float] = L2_GRID,
) -> dict:
    """`linear_probe` of single cells, each treated as an example with a class.

    This is semantic segmentation by one 1x1 convolution on frozen features. Cells of one image may
    be both inside and outside of the held-out part, which only chooses the penalty.

    Args:
        train_maps: float [n, h, w, D].
        train_cells: integer [n, h, w], the class of each cell; cells with a negative class, such as
            those on a border of two classes, are left out.
        test_maps: float [m, H, W, D]; H and W may differ from h and w.
        test_cells: integer [m, H, W].
        n_classes: number of classes.
        seeds: of `linear_probe`.
        l2_grid: of `linear_probe`.

    Returns:
        See `linear_probe`; the scores are over cells.

    Raises:
        UserError: shapes that do not match, or as `linear_probe`.
    """
    rows = []
    for maps, cells in ((train_maps, train_cells), (test_maps, test_cells)):
        maps, cells = np.asarray(maps), np.asarray(cells)
        if maps.ndim != 4 or maps.shape[:3] != cells.shape:
            raise UserError(f"Maps {maps.shape} need a class for every cell, not {cells.shape}.")
        rows += [maps[cells >= 0], cells[cells >= 0]]
    return linear_probe(*rows, n_classes=n_classes, seeds=seeds, l2_grid=l2_grid)


def cell_classes(
    mask: Bool[np.ndarray, "n S H W"], shape: Int[np.ndarray, "n S"], height: int, width: int
) -> Int[np.ndarray, "n height width"]:
    """The class of the shape that covers each cell of images.

    Args:
        mask: the pixels that each shape of an image covers.
        shape: the class of each shape; a negative class means no shape.
        height: number of rows of cells in an image.
        width: number of columns of cells in an image.

    Returns:
        The class of the shape that covers at least half of the cell, -1 if none does.
    """
    there = mask & (shape >= 0)[..., None, None]
    rows, columns = (
        np.arange(n) * size // n for n, size in zip((height, width), mask.shape[2:], strict=True)
    )
    pixels = np.add.reduceat(np.add.reduceat(there, rows, 2, dtype=float), columns, 3)
    area = np.diff([*rows, mask.shape[2]])[:, None] * np.diff([*columns, mask.shape[3]])
    covered = pixels / area  # [n, S, height, width]
    largest = covered.argmax(1)
    of_largest = np.take_along_axis(shape[..., None, None], largest[:, None], 1)[:, 0]
    return np.where(covered.max(1) >= 0.5, of_largest, -1)
