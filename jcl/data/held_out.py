"""Holds out a part of the training split as the test split, to choose settings."""

from typing import Literal

import numpy as np
from jaxtyping import Int

from jcl.errors import UserError


def held_out_rows(
    split: Literal["train", "test"], examples: int, share: float
) -> Int[np.ndarray, " s"]:
    """Positions, in the training split, of the examples of a split with held-out examples.

    The choice depends only on the number of examples and the share, so all runs of a study hold out
    the same examples.

    Args:
        split: "test" for the held-out examples, "train" for the rest; both in the order of the
            data.
        examples: number of training examples.
        share: share of them that is held out, above 0 and below 1.

    Raises:
        UserError: one of the two parts would be empty.
    """
    count = round(share * examples) if 0 < share < 1 else 0
    if not 0 < count < examples:
        raise UserError(
            f"data.held_out={share} leaves {count} of {examples} training examples to test with; "
            "give a share above 0 and below 1 that leaves examples in both parts"
        )
    drawn = np.random.Generator(np.random.Philox(key=0)).permutation(examples)
    rows = drawn[:count] if split == "test" else drawn[count:]
    return np.sort(rows)
