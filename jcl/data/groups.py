"""A group for every training example, from a file."""

import dataclasses

import numpy as np
from jaxtyping import Int, Integer

from jcl.data.rows import Rows
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
        UserError: as `read_side_file`, or the number of groups is not that of examples.
    """
    groups = read_side_file(path, GROUPS, option="data.groups", name=name, train=train)
    limits = np.iinfo(np.int32)
    if len(groups) != len(train) or groups.min() < limits.min or groups.max() > limits.max:
        raise UserError(
            f"data.groups={path} must hold an integer below 2^31 for each of {len(train)} examples"
        )
    return groups.astype(np.int32)


@dataclasses.dataclass(frozen=True)
class Grouped(Rows):
    """See `jcl.data.Source`; example i is example `rows[i]` of the whole, and has its `group`.

    Attributes:
        groups: int32 [n], the group of every example of the whole split.
    """

    groups: Int[np.ndarray, " n"]

    def batch(self, indices: Int[np.ndarray, " b"]) -> dict[str, np.ndarray]:
        """Reads the examples at `indices` of this subset, with their groups.

        Raises:
            UserError: the examples have a group already.
        """
        examples = super().batch(indices)
        if GROUP in examples:
            raise UserError("data.groups is set, but the dataset's examples have a group already")
        return {**examples, GROUP: self.groups[self.rows[indices]]}
