"""Few-shot episodes: a few labelled examples of a few classes, and queries to classify."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Array, Float, Int

from jcl.errors import UserError
from jcl.probes.checks import check_features
from jcl.probes.unit import unit

# For E episodes: unit features of labelled examples and of queries -> the class of each query, 0 to
# W - 1.
Classify = Callable[
    [Float[np.ndarray, "E W S D"], Float[np.ndarray, "E Q D"]], Int[np.ndarray, "E Q"]
]

# Number of feature values that are processed together.
_TOGETHER = 2**23


def nearest_mean(
    known: Float[np.ndarray, "E W S D"], asked: Float[np.ndarray, "E Q D"]
) -> Int[np.ndarray, "E Q"]:
    """The class with the nearest mean, for each query separately."""
    means = known.mean(2)
    # |q - m|^2 without |q|^2.
    lengths = np.sum(means**2, axis=2)[:, None]
    return np.argmin(lengths - 2 * asked @ means.swapaxes(1, 2), axis=2)


def episodes(
    features: Float[Array | np.ndarray, "n D"],
    labels: Int[Array | np.ndarray, " n"],
    *,
    ways: int = 5,
    shots: Sequence[int] = (1, 5),
    queries: int = 15,
    count: int = 600,
    seed: int = 0,
    classify: Classify = nearest_mean,
) -> dict[str, dict]:
    """Top-1 accuracy of the nearest class mean over random episodes, with 95% intervals.

    An episode draws `ways` classes, and for each class `shots` labelled examples and `queries`
    unlabelled ones. A query gets the class whose mean of unit features is nearest (Snell et al.,
    "Prototypical Networks for Few-Shot Learning", NeurIPS 2017, Eq. 1 and 2, with frozen features;
    unit features: Wang et al., "SimpleShot", 2019, L2N). The interval is that of the mean over
    episodes, 1.96 deviations / sqrt(count). It does not include the variation between training
    runs.

    `low_shot` has all classes at once and a fitted probe. Take `episodes` for comparison with the
    few-shot literature, with classes that pretraining did not see.

    Args:
        features: float [n, D].
        labels: integer [n].
        ways: classes of an episode, at least 2.
        shots: examples of each class that are labelled.
        queries: examples of each class that are predicted.
        count: number of episodes, at least 2.
        seed: of the draws.
        classify: the classifier of queries; the default is the nearest mean of unit features.

    Returns:
        {"5-way 1-shot": {"top1": x, "top1_interval": [low, high], "episodes": count}, ..}; a number
        of shots for which fewer than `ways` classes have shots + queries examples is left out.

    Raises:
        UserError: features and labels that do not match, or an impossible number.
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
        drawn = np.stack([_draw(able, random, ways, shot + queries) for _ in range(count)])
        parts = np.array_split(drawn, min(count, -(-drawn.size * x.shape[1] // _TOGETHER)))
        top1 = np.concatenate([_right(x[rows], shot, classify) for rows in parts])
        mean, half = float(np.mean(top1)), float(1.96 * np.std(top1, ddof=1) / count**0.5)
        found[f"{ways}-way {shot}-shot"] = {
            "top1": mean,
            "top1_interval": [mean - half, mean + half],
            "episodes": count,
        }
    return found


def _draw(members, random, ways: int, examples: int) -> Int[np.ndarray, "W N"]:
    classes = random.choice(len(members), ways, replace=False)
    return np.stack([random.choice(members[c], examples, replace=False) for c in classes])


def _right(
    features: Float[np.ndarray, "E W N D"], shot: int, classify: Classify
) -> Float[np.ndarray, " E"]:
    """The share of correctly classified queries of each episode."""
    known, asked = features[:, :, :shot], features[:, :, shot:]
    episodes, ways, queries, width = asked.shape
    found = classify(known, asked.reshape(episodes, ways * queries, width))
    return np.mean(found == np.repeat(np.arange(ways), queries), axis=1)
