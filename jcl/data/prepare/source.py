"""Reads the whole dataset of a `data.name`."""

import numpy as np

from jcl.data import InMemorySource, open_source, source_options
from jcl.errors import UserError


def read_source(name: str, data_dir: str) -> dict[str, dict[str, np.ndarray]]:
    """All arrays of both splits of `data.name`, with its default options.

    Args:
        name: such as "shapes", "tfds:NAME" or "arrays:PATH.npz".
        data_dir: the folder that is searched for a TFDS dataset.

    Raises:
        UserError: as `open_source`, or the dataset does not fit into memory.
    """
    folder = {"dir": data_dir} if "dir" in source_options(name) else {}
    splits = {}
    for split in ("train", "test"):
        source = open_source(name, split, **folder)
        if not isinstance(source, InMemorySource):
            raise UserError(f"source={name!r} does not fit into memory, so it cannot be changed")
        splits[split] = dict(source.arrays)
    return splits
