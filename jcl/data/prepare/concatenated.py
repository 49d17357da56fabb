"""Joins the training splits of two datasets, each at a multiplicity."""

import numpy as np

from jcl.data.prepare.splits import Splits
from jcl.errors import UserError


def concatenate(splits: Splits, other: Splits, *, times: int, other_times: int) -> Splits:
    """An epoch sees each example of one dataset so often, and each of the other so often.

    Take this for a source of more examples that are worse, such as generated ones, or of another
    class. The repeats are written out, so the archive grows with them.

    Args:
        splits: for train and test, arrays by key.
        other: the other dataset; its train split is taken, and its test split is not.
        times: multiplicity of the first dataset's training examples, at least 1.
        other_times: of the other's, at least 1.

    Returns:
        The splits with origin int32 [n], 0 or 1 by the dataset, in this order.

    Raises:
        UserError: multiplicities below 1; datasets of different keys, shapes or dtypes.

    Source: Wang et al. 2024, "Do generated data always help contrastive learning?" (AdaInf).
    """
    if times < 1 or other_times < 1:
        raise UserError(f"times={times} and also_times={other_times} must both be at least 1")
    first, second = splits["train"], other["train"]
    kinds = [{key: (a.dtype.name, *a.shape[1:]) for key, a in s.items()} for s in (first, second)]
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
