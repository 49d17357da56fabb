"""Adds to each example its nearest clusters in another network's features."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int32

from jcl.data.prepare.splits import Splits, check_keys
from jcl.data.sources.arrays import read_archive
from jcl.errors import UserError


def add_clusters(
    splits: Splits, path: str | Path, *, centres: int, nearest: int, seed: int
) -> Splits:
    """Adds the numbers of the nearest k-means centres, the nearest first.

    Args:
        splits: for train and test, arrays of n rows each.
        path: of an archive with train_features and test_features of the same examples in the same
            order, as `python -m jcl.evaluate --export_features` writes it. Other keys that both
            hold, such as the label, must agree.
        centres: k, at most the number of training examples.
        nearest: number of centres per example, at most k.
        seed: of k-means, any integer.

    Returns:
        The splits with clusters int32 [n, nearest]. The centres are those of the training split's
        features, divided by their norms; the test split gets the nearest of these.

    Raises:
        UserError: features of other examples, impossible numbers, or splits that have clusters.
    """
    check_keys("clusters", splits, new=("clusters",))
    held = read_archive(str(path)).splits
    features = {split: _features_of(path, split, splits[split], held) for split in splits}
    if not 1 <= nearest <= centres <= len(features["train"]):
        raise UserError(
            f"centres={centres} and nearest={nearest} are impossible: nearest must be 1 to "
            f"centres, and centres at most {len(features['train'])}, the number of training "
            "examples"
        )
    found = _nearest_centres(features, centres=centres, nearest=nearest, seed=seed)
    return {split: {**arrays, "clusters": found[split]} for split, arrays in splits.items()}


def _features_of(path, split: str, arrays, held) -> Float[np.ndarray, "n D"]:
    """Unit rows, after a check that the archive belongs to these examples."""
    there = held.get(split, {})
    count = len(next(iter(arrays.values())))
    if "features" not in there or len(there["features"]) != count:
        raise UserError(
            f"clusters_of={path} must hold the features of the {count} examples of the {split} "
            f"split, but it holds {len(there.get('features', ()))}"
        )
    for key in there.keys() & arrays.keys():
        if not np.array_equal(there[key], arrays[key]):
            raise UserError(
                f"clusters_of={path} belongs to another dataset: its {key} of the {split} split "
                "differs from that of the examples"
            )
    features = there["features"]
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def _nearest_centres(features, *, centres: int, nearest: int, seed: int):
    from sklearn.cluster import KMeans  # slow to import

    means = KMeans(centres, n_init=1, random_state=seed % 2**32).fit(features["train"])
    found: dict[str, Int32[np.ndarray, "n nearest"]] = {}
    for split, rows in features.items():
        distances = means.transform(rows)
        found[split] = distances.argsort(1, kind="stable")[:, :nearest].astype(np.int32)
    return found
