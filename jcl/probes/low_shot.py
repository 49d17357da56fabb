"""Probes fitted on a small share of the training examples."""

from collections.abc import Callable, Sequence

import numpy as np
from absl import logging
from jaxtyping import Array, Int

from jcl.errors import UserError

FEWEST = 10  # examples of which a probe can hold out a tenth


def choose_share(
    share: float, *, n: int, label: Int[Array | np.ndarray, " n"] | None = None, seed: int
) -> Int[np.ndarray, " m"]:
    """Draw a share of n examples without replacement.

    With labels the draw is stratified: each class gets its share, at least one example, rounded so
    that the total is round(share * n) examples. Without labels, at least one example is drawn. The
    numbers per class do not depend on the seed.

    Args:
        share: in (0, 1].
        n: number of examples.
        label: integer [n]; None draws uniformly from all examples.
        seed: of the draw.

    Returns:
        int64 [m], indices in rising order.

    Raises:
        UserError: share is not in (0, 1], n is 0, or labels do not match.
    """
    if not 0 < share <= 1:
        raise UserError(f"A share of the examples lies in (0, 1], not {share}.")
    if n < 1:
        raise UserError("There are no examples to draw a share of.")
    if label is not None and np.shape(label) != (n,):
        raise UserError(f"There are {n} examples but labels {np.shape(label)}.")
    total = round(share * n)
    groups = np.zeros(n, np.int64)
    if label is not None:
        _, groups = np.unique(np.asarray(label), return_inverse=True)
    available = np.bincount(groups)
    quota = share * available
    counts = np.maximum(np.floor(quota).astype(int), 1)
    # Examples that are left over after rounding down go to the largest remainders.
    left_over = max(total - counts.sum(), 0)
    counts[np.argsort(counts - quota, kind="stable")[:left_over]] += 1
    # The first examples of each group in a random order of all examples.
    shuffled = np.random.default_rng(seed).permutation(n)
    taken = [shuffled[groups[shuffled] == group][:count] for group, count in enumerate(counts)]
    return np.sort(np.concatenate(taken))


def low_shot(
    probe: Callable[[Int[np.ndarray, " m"], int], dict],
    shares: Sequence[float],
    *,
    n: int,
    label: Int[Array | np.ndarray, " n"] | None = None,
    seeds: Sequence[int],
    names: Sequence[str],
) -> dict[str, dict]:
    """Scores of a probe that is fitted on shares of the training examples.

    Each seed draws its own subset. The probe holds out a part of this subset to choose its penalty,
    so labels outside of the subset are not used.

    Args:
        probe: (indices [m] of the training rows to fit on, seed) -> scores.
        shares: each in (0, 1]. A share with fewer than `FEWEST` examples is logged and left out.
        n: number of training examples.
        label: integer [n], by which subsets are stratified; None draws uniformly from all.
        seeds: of the subsets.
        names: of the scores to keep; the deviation of the first one is kept too.

    Returns:
        {"0.01": {name: mean over seeds, .., "<first name>_std": population standard deviation over
        seeds, "examples": m}, ..}; a score that is None for any seed is None.
    """
    measured = {}
    for share in shares:
        subsets = [choose_share(share, n=n, label=label, seed=seed) for seed in seeds]
        examples = len(subsets[0])
        if examples < FEWEST:
            logging.warning(
                "Low-shot probes: %g of %d training examples is %d, but %d are needed, so this "
                "share is left out.",
                *(share, n, examples, FEWEST),
            )
            continue
        scores = [probe(subset, seed) for subset, seed in zip(subsets, seeds, strict=True)]
        values = {name: [score[name] for score in scores] for name in names}
        means = {k: None if None in v else float(np.mean(v)) for k, v in values.items()}
        measured[f"{share:g}"] = {
            **means,
            f"{names[0]}_std": float(np.std(values[names[0]])),
            "examples": examples,
        }
    return measured
