"""Data: sources with random access, the order of examples, and the loader.

`open_source` maps a config's `data.name` to a `Source`, which may be the user's own.
`jcl.data.order` gives the examples of step t. `jcl.data.loader` brings them to the devices.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jcl.config.names import build, resolve
from jcl.config.options import Option, options, takes_any_keyword
from jcl.data.groups import Grouped, read_groups
from jcl.data.held_out import held_out_rows
from jcl.data.rows import Rows
from jcl.data.source import InMemorySource, MissingSplit, Source, check_source
from jcl.data.subset import read_indices
from jcl.errors import UserError

__all__ = [
    "SOURCES",
    "InMemorySource",
    "MissingSplit",
    "Source",
    "open_source",
    "source_options",
]

# Each is called with the split and options. For names with a colon, the text after it comes first.
SOURCES = {
    "shapes": "jcl.data.sources.shapes:shapes_source",
    "scenes": "jcl.data.sources.scenes:scenes_source",
    "textured": "jcl.data.sources.textured:textured_source",
    "moving": "jcl.data.sources.moving:moving_source",
    "tfds:NAME": "jcl.data.sources.tfds:tfds_source",
    "folder:PATH": "jcl.data.sources.folder:folder_source",
    "arrays:PATH.npz": "jcl.data.sources.arrays:arrays_source",
}


def open_source(
    name: str,
    split: str,
    *,
    held_out: float | None = None,
    subset: str | None = None,
    groups: str | None = None,
    **given: Any,
) -> Source:
    """Opens one split of the dataset that a config names, with its texts unchanged.

    `jcl.experiment.open_split` replaces texts that are strings by token ids.

    Args:
        name: "shapes", "scenes", "textured" or "moving" (generated), "tfds:NAME", "folder:PATH",
            "arrays:PATH.npz", or the address "package.module:function" of a user's dataset. This
            function is called with the split, and with the options that are set as keywords. It
            returns a `Source`.
        split: "train" or "test".
        held_out: the share of the training examples that replaces the test split, so that settings
            can be chosen without the real test split; None uses the splits as they are.
        subset: a file that lists the examples to train on (`jcl.data.subset`), among those that
            are not held out; None takes all.
        groups: a file that gives every training example a `group` (`jcl.data.groups`), or None.
        **given: the options of that source; None stands for their default.

    Raises:
        MissingSplit: the dataset has no such split.
        UserError: unknown name or split, an option the source does not take, or data that
            cannot be read.
    """
    if split not in ("train", "test"):
        raise UserError(f"split={split!r} is given, but it must be 'train' or 'test'")
    of = split if held_out is None else "train"
    source = build("data", {"name": name, **given}, SOURCES, of, others=_others(name))
    if name.partition(":")[0] not in {key.partition(":")[0] for key in SOURCES}:
        check_source(name, source)
    rows = np.arange(len(source))
    if held_out is not None:
        rows = held_out_rows(split, len(source), held_out)
    if subset is not None and split == "train":
        rows = np.intersect1d(rows, read_indices(subset, name=name, train=source))
        if not len(rows):
            raise UserError(
                f"data.subset={subset} has no example left to train on, because "
                f"data.held_out={held_out} holds out all of them"
            )
    if groups is not None and of == "train":
        return Grouped(source, rows, read_groups(groups, name=name, train=source))
    return source if len(rows) == len(source) else Rows(source, rows)


def source_options(name: str) -> dict[str, Option]:
    """The options of the source of that name.

    A function that takes any keyword has the options of all of our sources.
    """
    return options(resolve("data", name, SOURCES), _others(name), supplied=1)


def _others(name: str) -> Mapping[str, Option]:
    # Importing our own sources imports the libraries that they use, so it is done only if needed.
    if not takes_any_keyword(resolve("data", name, SOURCES)):
        return {}
    names = (key.partition(":")[0] + (":x" if ":" in key else "") for key in SOURCES)
    taken = [options(resolve("data", name, SOURCES), supplied=1) for name in names]
    return {key: option for source in taken for key, option in source.items()}
