"""A probe of the cells of feature maps, for examples with masks of their shapes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from ml_collections import ConfigDict

from jcl.augment.crop import evaluation_view
from jcl.data import Source
from jcl.data.rows import Rows
from jcl.evaluation.encode import FEATURE_BATCH, output_function, output_names
from jcl.experiment.tables import option_of_views
from jcl.methods.base import Method, Variables
from jcl.probes.cells import cell_classes, cell_probe
from jcl.probes.ordinality import evenly_spaced

MAP = "map"
MASKS = ("mask", "shape")
_MOST = 2000  # largest number of examples of a split; each has many cells
_LEAST = 10  # smallest number of covered cells of a split, of which a probe holds out some


def score_cells(
    config: ConfigDict, method: Method, variables: Variables, train: Source, test: Source
) -> dict[str, dict]:
    """Linear prediction of the shape that covers a cell from the cell's features.

    Args:
        config: of the run.
        method: of the run.
        variables: of a checkpoint.
        train: the training split; at most 2,000 evenly spaced examples are used.
        test: the test split; at most 2,000 evenly spaced examples are used.

    Returns:
        {"cells": `jcl.probes.cell_probe`} if the method has the output `map`, the examples of both
        splits have masks and their shapes, and ten cells are covered; otherwise {}. Cells that no
        shape covers are left out (`jcl.probes.cell_classes`), because they are the majority.
    """
    splits = [Rows(split, evenly_spaced(len(split), _MOST)) for split in (train, test)]
    for split in splits:
        if not {*MASKS} <= {*split.batch(np.arange(1))}:
            return {}
        if MAP not in output_names(config, method, variables, split):
            return {}
    apply = functools.partial(jax.jit(output_function(config, method, MAP)), variables)
    size = option_of_views(config, "size")
    of_splits = [found for split in splits for found in _maps_and_cells(apply, split, size)]
    of_cells = of_splits[1::2]
    if min((cells >= 0).sum() for cells in of_cells) < _LEAST:
        return {}
    n_classes = 1 + int(max(cells.max() for cells in of_cells))
    return {"cells": cell_probe(*of_splits, n_classes=n_classes)}


def _maps_and_cells(
    apply, split: Source, size: int | None
) -> tuple[Float[np.ndarray, "n h w D"], Int[np.ndarray, "n h w"]]:
    maps, cells = [], []
    for start in range(0, len(split), FEATURE_BATCH):
        # The last batch is filled up, so that all have one shape; the filling is dropped.
        rows = np.arange(start, start + FEATURE_BATCH)
        batch = split.batch(np.minimum(rows, len(split) - 1))
        real = int((rows < len(split)).sum())
        found = np.asarray(apply(batch))[:real]
        # Masks are cropped like images: to their middle, if views have a size.
        mask = jnp.asarray(batch["mask"][:real].transpose(0, 2, 3, 1), jnp.float32)
        seen = evaluation_view(mask, size)
        mask = np.asarray(seen).transpose(0, 3, 1, 2) >= 0.5
        cells.append(cell_classes(mask, batch["shape"][:real], *found.shape[1:3]))
        maps.append(found)
    return np.concatenate(maps), np.concatenate(cells)
