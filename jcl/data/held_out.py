"""A part of the training split in the place of the test split, to choose settings by."""

from typing import Literal

import numpy as np

from jcl.data.rows import Rows
from jcl.data.source import Source
from jcl.errors import UserError


def held_out_part(split: Literal["train", "test"], train: Source, share: float) -> Rows:
    """The split where some training examples are held out and test examples stay unseen.

    Which examples they are depends on their number and the share alone, so all runs of a study hold
    out the same.

    Args:
        split: "test" is what is held out, "train" is the rest; both in the order of the data.
        train: all training examples.
        share: of them, above 0 and below 1.

    Raises:
        UserError: one of the two parts would be empty.
    """
    count = round(share * len(train)) if 0 < share < 1 else 0
    if not 0 < count < len(train):
        raise UserError(
            f"data.held_out={share} leaves {count} of {len(train)} training examples to test with; "
            "give a share above 0 and below 1 under which both parts have some"
        )
    drawn = np.random.Generator(np.random.Philox(key=0)).permutation(len(train))
    rows = drawn[:count] if split == "test" else drawn[count:]
    return Rows(train, np.sort(rows))
