"""Accuracies that weigh classes, not examples, for unbalanced training splits."""

import numpy as np
from jaxtyping import Array, Int

# Liu et al. 2019: many-shot classes have more than 100 training examples, few-shot ones fewer than
# 20.
_MANY, _FEW = 100, 20
_BALANCED = 2  # largest ratio of class sizes that counts as balanced


def is_unbalanced(train_labels: Int[Array | np.ndarray, " n"]) -> bool:
    """Whether the largest class that occurs has more than twice the examples of the smallest."""
    counts = np.unique(np.asarray(train_labels), return_counts=True)[1]
    return bool(counts.max() > _BALANCED * counts.min())


def class_scores(
    predicted: Int[Array | np.ndarray, "*s m"],
    labels: Int[Array | np.ndarray, " m"],
    train_labels: Int[Array | np.ndarray, " n"],
) -> dict:
    """Balanced accuracy, and the accuracy of many-, medium- and few-shot classes.

    Balanced accuracy is the mean over classes of the share of correctly predicted test examples
    (Brodersen et al., "The Balanced Accuracy and Its Posterior Distribution", ICPR 2010). Many-shot
    classes have more than 100 training examples, few-shot classes fewer than 20 (Liu et al.,
    "Large-Scale Long-Tailed Recognition in an Open World", CVPR 2019, section 4.1). Their score is
    the share of correctly predicted test examples.

    Args:
        predicted: integer [m], or [s, m] of s fits: scores are then means over the fits.
        labels: integer [m], of the test examples.
        train_labels: integer [n], of the examples that the predictor was fitted on.

    Returns:
        {"balanced": x, "shots": {"many": {"top1", "n": test examples}, "medium": {..}, "few":
        {..}}}; shots without test examples are left out.
    """
    from sklearn.metrics import recall_score  # slow to import

    fits, labels = np.atleast_2d(np.asarray(predicted)), np.asarray(labels)
    right = (fits == labels).mean(0)
    seen = {"labels": np.unique(labels), "average": "macro", "zero_division": 0}
    classes, counts = np.unique(np.asarray(train_labels), return_counts=True)
    count_of = dict(zip(classes.tolist(), counts.tolist(), strict=True))
    examples = np.array([count_of.get(label, 0) for label in labels.tolist()])
    inside = {
        "many": examples > _MANY,
        "medium": (examples >= _FEW) & (examples <= _MANY),
        "few": examples < _FEW,
    }
    return {
        "balanced": float(np.mean([recall_score(labels, fit, **seen) for fit in fits])),
        "shots": {
            name: {"top1": float(right[rows].mean()), "n": int(rows.sum())}
            for name, rows in inside.items()
            if rows.any()
        },
    }
