"""Few-shot episodes: a few examples of a few classes, and others to be told apart by them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float, Int

from jcl.errors import UserError
from jcl.probes.checks import check_features
from jcl.probes.unit import unit


def episodes(
    features: Float[Array | np.ndarray, "n D"],
    labels: Int[Array | np.ndarray, " n"],
    *,
    ways: int = 5,
    shots: Sequence[int] = (1, 5),
    queries: int = 15,
    count: int = 600,
    seed: int = 0,
) -> dict[str, dict]:
    """Top-1 accuracy of the nearest class mean over random episodes, with 95% intervals.

    An episode draws `ways` classes, and of each `shots` examples with labels and `queries` without.
    A query gets the class whose mean of unit features is nearest (Snell et al., "Prototypical
    Networks for Few-Shot Learning", NeurIPS 2017, Eq. 1 and 2, on features that stay as they are;
    unit ones: Wang et al., "SimpleShot", 2019, L2N). The interval is the mean's over episodes,
    1.96 deviations / sqrt(count): it says nothing of another training run.

    `low_shot` has all classes at once and a fitted probe; take this for comparison with the
    literature on few-shot learning, with classes that pretraining did not see.

    Args:
        features: float [n, D].
        labels: integer [n].
        ways: classes of an episode, at least 2.
        shots: examples of each class that are labelled.
        queries: examples of each class that are predicted.
        count: episodes, at least 2.
        seed: of the draws.

    Returns:
        {"5-way 1-shot": {"top1": x, "top1_interval": [low, high], "episodes": count}, ..}; a number
        of shots for which fewer than `ways` classes have shots + queries examples is left out.

    Raises:
        UserError: features and labels that do not fit, or an impossible number.
    """
    check_features("Features", features)
    labels = np.asarray(labels)
    if labels.shape != (len(features),):
        raise UserError(f"There are {len(features)} feature rows but {labels.shape} labels.")
    if ways < 2 or count < 2 or queries < 1 or min(shots, default=0) < 1:
        raise UserError(
            f"ways={ways}, shots={tuple(shots)}, queries={queries}, count={count} make no episodes."
        )
    x = unit(features)
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    found = {}
    for shot in shots:
        able = [rows for rows in members if len(rows) >= shot + queries]
        if len(able) < ways:
            continue
        random = np.random.default_rng(seed)
        top1 = [_episode(x, able, random, ways, shot, queries) for _ in range(count)]
        mean, half = float(np.mean(top1)), float(1.96 * np.std(top1, ddof=1) / count**0.5)
        found[f"{ways}-way {shot}-shot"] = {
            "top1": mean,
            "top1_interval": [mean - half, mean + half],
            "episodes": count,
        }
    return found


def _episode(x, members, random, ways: int, shot: int, queries: int) -> float:
    classes = random.choice(len(members), ways, replace=False)
    drawn = np.stack([random.choice(members[c], shot + queries, replace=False) for c in classes])
    means = x[drawn[:, :shot]].mean(1)
    asked = x[drawn[:, shot:]].reshape(ways * queries, -1)
    # The nearest mean: |q - m|^2 without |q|^2.
    nearest = np.argmin(np.sum(means**2, axis=1) - 2 * asked @ means.T, axis=1)
    return float(np.mean(nearest == np.repeat(np.arange(ways), queries)))
