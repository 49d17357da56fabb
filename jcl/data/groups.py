"""A group for every training example, from a file."""

import dataclasses

import numpy as np
from jaxtyping import Int, Integer

from jcl.data.side_file import read_side_file
from jcl.data.source import Source
from jcl.errors import UserError

GROUP, GROUPS = "group", "groups"


def read_groups(path: str, *, name: str, train: Source) -> Integer[np.ndarray, " n"]:
    """The groups of a file that `data.groups` names.

    Args:
        path: of the file, as `python -m jcl.evaluation.groups` writes it.
        name: of the dataset, for messages.
        train: the whole training split.

    Raises:
        UserError: as `read_side_file`, or another number of groups than of examples.
    """
    groups = read_side_file(path, GROUPS, option="data.groups", name=name, train=train)
    limits = np.iinfo(np.int32)
    if len(groups) != len(train) or groups.min() < limits.min or groups.max() > limits.max:
        raise UserError(
            f"data.groups={path} must hold an integer for each of {len(train)} examples"
        )
    return groups.astype(np.int32)


@dataclasses.dataclass(frozen=True)
class Grouped:
    """See `jcl.data.Source`; example i is example i of the whole and has a `group`.

    Attributes:
        whole: the split; its examples have no group of their own.
        groups: int32 [n].
    """

    whole: Source
    groups: Int[np.ndarray, " n"]

    @property
    def image_shape(self):
        """That of the whole."""
        return self.whole.image_shape

    @property
    def n_classes(self):
        """That of the whole."""
        return self.whole.n_classes

    @property
    def class_names(self):
        """Those of the whole, where it has them."""
        return getattr(self.whole, "class_names", None)

    @property
    def in_memory(self):
        """Whether reading is a plain array lookup."""
        return self.whole.in_memory

    def __len__(self) -> int:
        return len(self.whole)

    def batch(self, indices: Int[np.ndarray, " b"]) -> dict[str, np.ndarray]:
        """Reads examples, with their groups.

        Raises:
            UserError: the examples have a group already.
        """
        examples = self.whole.batch(indices)
        if GROUP in examples:
            raise UserError("data.groups is set, and the dataset's examples have a group already")
        return {**examples, GROUP: self.groups[indices]}
