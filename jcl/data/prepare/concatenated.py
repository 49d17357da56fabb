"""Joins the training splits of two datasets, each repeated a number of times."""

import numpy as np

from jcl.data.prepare.splits import Splits
from jcl.errors import UserError


def concatenate(splits: Splits, other: Splits, *, times: int, other_times: int) -> Splits:
    """Repeats and joins two training splits, so that an epoch sees each example several times.

    Take this to add a source of worse examples, such as generated ones, or of another class. The
    repeats are written out, so the archive grows with them.

    Args:
        splits: for train and test, arrays by key.
        other: the other dataset, of which only the train split is used.
        times: number of repeats of the first dataset's training examples, at least 1.
        other_times: number of repeats of the other dataset's training examples, at least 1.

    Returns:
        The splits with origin int32 [n]: 0 for the first dataset, 1 for the other.

    Raises:
        UserError: multiplicities below 1; datasets of different keys, shapes or dtypes.

    Source: Wang et al. 2024, "Do generated data always help contrastive learning?" (AdaInf).
    """
    if times < 1 or other_times < 1:
        raise UserError(f"times={times} and also_times={other_times} must both be at least 1")
    first, second = splits["train"], other["train"]
    kinds = [{key: _kind(array) for key, array in arrays.items()} for arrays in (first, second)]
    if kinds[0] != kinds[1]:
        raise UserError(f"datasets that are joined must hold the same, but they hold {kinds}")
    if "origin" in first:
        raise UserError("joined datasets get an origin, and these have one")
    counts = [len(next(iter(arrays.values()))) for arrays in (first, second)]
    rows = [np.tile(np.arange(n), k) for n, k in zip(counts, (times, other_times), strict=True)]
    train = {key: np.concatenate([a[rows[0]], second[key][rows[1]]]) for key, a in first.items()}
    train["origin"] = np.repeat(np.arange(2, dtype=np.int32), [len(r) for r in rows])
    test = splits["test"]
    origin = np.zeros(len(next(iter(test.values()))), np.int32)
    return {"train": train, "test": {**test, "origin": origin}}


def _kind(array: np.ndarray) -> tuple[str | int, ...]:
    """What must agree: the dtype, except the length of texts, and the shape of an example."""
    return ("text" if array.dtype.kind == "U" else array.dtype.name, *array.shape[1:])
