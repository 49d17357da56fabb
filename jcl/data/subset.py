"""A subset of the training examples, given by a file."""

import numpy as np
from jaxtyping import Integer

from jcl.data.side_file import read_side_file
from jcl.data.source import Source
from jcl.errors import UserError

INDICES = "indices"


def read_indices(path: str, *, name: str, train: Source) -> Integer[np.ndarray, " k"]:
    """The rising indices in the file that `data.subset` names.

    Args:
        path: of the file, as `jcl.data.side_file.write_side_file` writes it.
        name: of the dataset, for messages.
        train: the whole training split.

    Raises:
        UserError: as `read_side_file`, or there are no indices, or some are out of range or
            repeated.
    """
    indices = read_side_file(path, INDICES, option="data.subset", name=name, train=train)
    rising = np.sort(indices)
    if not len(rising) or rising[0] < 0 or rising[-1] >= len(train) or (np.diff(rising) < 1).any():
        raise UserError(
            f"data.subset={path} must hold distinct indices from 0 to {len(train) - 1}, at least "
            "one"
        )
    return rising
