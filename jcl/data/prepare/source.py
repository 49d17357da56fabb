"""Reads a dataset that a config could name, whole."""

import numpy as np

from jcl.data import InMemorySource, open_source
from jcl.errors import UserError


def read_source(name: str) -> dict[str, dict[str, np.ndarray]]:
    """All arrays of both splits of `data.name`, with its default options.

    Raises:
        UserError: as `open_source`, or where the dataset is not held in memory.
    """
    splits = {}
    for split in ("train", "test"):
        source = open_source(name, split)
        if not isinstance(source, InMemorySource):
            raise UserError(f"source={name!r} is read from disk, and only what is in memory is")
        splits[split] = dict(source.arrays)
    return splits
