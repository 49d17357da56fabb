"""Reads the whole dataset of a `data.name`."""

from collections.abc import Sequence

from jcl.data import InMemorySource, open_source, source_options
from jcl.data.prepare.splits import Names, Splits
from jcl.errors import UserError


def read_source(
    name: str, data_dir: str, *, splits: Sequence[str] = ("train", "test")
) -> tuple[Splits, Names | None]:
    """All arrays of splits of `data.name`, with its default options, and the names of its classes.

    Args:
        name: such as "shapes", "tfds:NAME" or "arrays:PATH.npz".
        data_dir: the folder that is searched for a TFDS dataset.
        splits: those that are read.

    Raises:
        UserError: as `open_source`, or the dataset does not fit into memory.
    """
    folder = {"dir": data_dir} if "dir" in source_options(name) else {}
    found, names = {}, None
    for split in splits:
        source = open_source(name, split, **folder)
        if not isinstance(source, InMemorySource):
            raise UserError(f"source={name!r} does not fit into memory, so it cannot be changed")
        found[split], names = dict(source.arrays), source.class_names
    return found, names and tuple(names)
