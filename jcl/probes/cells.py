"""A linear probe of every cell of feature maps: what a dense method's features are for."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float, Int

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
    """What `linear_probe` scores of single cells, each an example with a class of its own.

    As semantic segmentation by one 1x1 convolution on frozen features. Cells of one image may fall
    on both sides of the held-out part, which only chooses the penalty.

    Args:
        train_maps: float [n, h, w, D].
        train_cells: integer [n, h, w], the class of each cell; a negative one is left out, as
            where two classes meet.
        test_maps: float [m, H, W, D]; H and W may be others.
        test_cells: integer [m, H, W].
        n_classes: number of classes.
        seeds: of `linear_probe`.
        l2_grid: of `linear_probe`.

    Returns:
        See `linear_probe`; the scores are over cells.

    Raises:
        UserError: shapes that do not fit, or what `linear_probe` raises.
    """
    rows = []
    for maps, cells in ((train_maps, train_cells), (test_maps, test_cells)):
        maps, cells = np.asarray(maps), np.asarray(cells)
        if maps.ndim != 4 or maps.shape[:3] != cells.shape:
            raise UserError(f"Maps {maps.shape} need a class for every cell, not {cells.shape}.")
        rows += [maps[cells >= 0], cells[cells >= 0]]
    return linear_probe(*rows, n_classes=n_classes, seeds=seeds, l2_grid=l2_grid)
