"""Gives a share of the training examples a wrong label, and keeps the true label too."""

import numpy as np

from jcl.data.draws import chosen_rows, one_of, random_words
from jcl.data.prepare.splits import Splits, check_keys, check_share, count_classes
from jcl.errors import UserError

KINDS = ("symmetric", "asymmetric")


def corrupt_labels(splits: Splits, *, kind: str, rate: float, seed: int) -> Splits:
    """Exactly round(rate n) of n training labels become wrong; test labels do not change.

    Args:
        splits: for train and test, arrays of n rows each, among them label int32 [n].
        kind: "symmetric" takes another class at random, each with the same probability;
            "asymmetric" takes the next class (after the last one the first), so that a class is
            always mistaken for the same other one.
        rate: share of wrong labels, in [0, 1]. At an asymmetric rate above a half, a class's
            label is wrong more often than not.
        seed: of the draw, any integer.

    Returns:
        The splits with label, noisy in train, and label_true int32 [n] in both.

    Raises:
        UserError: an unknown kind, an impossible rate, no labels, only one class.

    Source: Patrini et al. 2017, "Making deep neural networks robust to label noise", sec. 5, whose
    asymmetric noise confuses chosen classes; here it is the next one, on any dataset.
    """
    if kind not in KINDS:
        raise UserError(f"label_noise={kind!r} is unknown; allowed: {', '.join(KINDS)}")
    check_share("label_noise_rate", rate)
    check_keys("label_noise", splits, "label", new=("label_true",))
    classes = count_classes(splits)
    if classes < 2:
        raise UserError("label_noise needs at least two classes, but there is one")
    noisy = {split: {**a, "label_true": a["label"]} for split, a in splits.items()}
    label = splits["train"]["label"].astype(np.int32)
    rows = chosen_rows("noisy_labels", "train", seed, n=len(label), share=rate)
    further = np.ones(len(rows), np.int32)
    if kind == "symmetric":
        words = random_words("noisy_labels/class", "train", seed, stop=len(label))[rows, 0]
        further += one_of(words, classes - 1)
    label[rows] = (label[rows] + further) % classes
    noisy["train"]["label"] = label
    return noisy
