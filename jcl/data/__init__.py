"""Data: sources with random access, the order of examples, and the loader.

`open_source` maps a config's `data.name` to a `Source`, one of the user's own included;
`jcl.data.order` says which examples step t sees; `jcl.data.loader` brings them to the devices.
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

# Each is called with the split and options, those with a colon with what stands after it first.
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
    """Opens one split of the dataset that a config names, its texts as it has them.

    `jcl.experiment.open_split` puts token ids in the place of strings.

    Args:
        name: "shapes", "scenes", "textured" or "moving" (generated), "tfds:NAME", "folder:PATH",
            "arrays:PATH.npz", or an address "package.module:function", which is called with the
            split and, as keywords, the options that are set, and returns a `Source`: a dataset of
            one's own needs no fork.
        split: "train" or "test".
        held_out: the share of the training examples that takes the place of the test split, to
            choose settings by; None takes the splits as they are.
        subset: a file that says which examples of the training split are trained on
            (`jcl.data.subset`), of those that are not held out; None takes all.
        groups: a file that gives every training example a `group` (`jcl.data.groups`); None: none.
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
                f"data.subset={subset} has no example that data.held_out={held_out} leaves to "
                "train on"
            )
    if groups is not None and of == "train":
        return Grouped(source, rows, read_groups(groups, name=name, train=source))
    return source if len(rows) == len(source) else Rows(source, rows)


def source_options(name: str) -> dict[str, Option]:
    """The options of the source of that name.

    A function that takes any keyword takes what all of our sources do.
    """
    return options(resolve("data", name, SOURCES), _others(name), supplied=1)


def _others(name: str) -> Mapping[str, Option]:
    # Our own sources import the libraries that they read with, so only where it matters.
    if not takes_any_keyword(resolve("data", name, SOURCES)):
        return {}
    names = (key.partition(":")[0] + (":x" if ":" in key else "") for key in SOURCES)
    taken = [options(resolve("data", name, SOURCES), supplied=1) for name in names]
    return {key: option for source in taken for key, option in source.items()}
