"""A part of the training split in the place of the test split, to choose settings by."""

from typing import Literal

import numpy as np
from jaxtyping import Int

from jcl.errors import UserError


def held_out_rows(
    split: Literal["train", "test"], examples: int, share: float
) -> Int[np.ndarray, " s"]:
    """Positions of a split where training examples are held out and test examples stay unseen.

    Which examples they are depends on their number and the share alone, so all runs of a study hold
    out the same.

    Args:
        split: "test" is what is held out, "train" is the rest; both in the order of the data.
        examples: how many there are for training.
        share: of them, above 0 and below 1.

    Raises:
        UserError: one of the two parts would be empty.
    """
    count = round(share * examples) if 0 < share < 1 else 0
    if not 0 < count < examples:
        raise UserError(
            f"data.held_out={share} leaves {count} of {examples} training examples to test with; "
            "give a share above 0 and below 1 under which both parts have some"
        )
    drawn = np.random.Generator(np.random.Philox(key=0)).permutation(examples)
    rows = drawn[:count] if split == "test" else drawn[count:]
    return np.sort(rows)
