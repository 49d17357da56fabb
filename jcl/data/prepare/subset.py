"""Takes a part of a dataset of arrays, at random or by the density of the target."""

import numpy as np

from jcl.data.order import permute
from jcl.data.prepare.density import check_examples, sample_by_density
from jcl.data.prepare.splits import Splits, take_rows
from jcl.errors import UserError


def take_subset(
    splits: Splits,
    *,
    train_examples: int | None,
    test_examples: int | None,
    target_density: str | None,
    seed: int,
) -> Splits:
    """Chooses examples of both splits and keeps their order.

    Args:
        splits: for train and test, arrays of n rows each, among them `target` [n] if
            `target_density` is given.
        train_examples: number of training examples; None takes all.
        test_examples: number of test examples; None takes all.
        target_density: of the training examples, see `sample_by_density`. The test examples are
            then uniform over the target for any training density, as in Yang et al. 2021 ("Delving
            into deep imbalanced regression", sec. 4). Needs both numbers. None chooses at random.
        seed: of the choice, any integer.

    Returns:
        The splits, with the same keys.

    Raises:
        UserError: a density without a target or without numbers; more examples than there are.
    """
    counts = {"train": train_examples, "test": test_examples}
    densities = {"train": target_density, "test": target_density and "uniform"}
    if target_density and None in counts.values():
        raise UserError("a target density needs the numbers of training and of test examples")
    if target_density and not all("target" in arrays for arrays in splits.values()):
        raise UserError("a target density needs a target, and the dataset has none")
    subset = {}
    for split, arrays in splits.items():
        examples, density = counts[split], densities[split]
        if examples is None:
            subset[split] = arrays
            continue
        if density is None:
            n = len(next(iter(arrays.values())))
            check_examples(examples, n)
            rows = np.sort(permute(np.arange(examples), n=n, seed=seed, epoch=0))
        else:
            rows = sample_by_density(
                arrays["target"], examples=examples, density=density, seed=seed
            )
        subset[split] = take_rows(arrays, rows)
    return subset
