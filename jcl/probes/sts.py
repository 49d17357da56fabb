"""Semantic textual similarity: rank correlation of cosines with scores by people or a taxonomy."""

import numpy as np
from jaxtyping import Float, Int

from jcl.errors import UserError
from jcl.probes.similarity import similarity_spearman


def sts(
    features: Float[np.ndarray, "n D"],
    pair: Int[np.ndarray, " n"],
    score: Float[np.ndarray, " n"],
) -> dict[str, float | int | None]:
    """Spearman's rank correlation of the cosines of pairs with their scores.

    Args:
        features: of texts.
        pair: rows with the same number are the two sides of a pair; negative for rows without one.
        score: of the pair, equal on both sides.

    Returns:
        "spearman", which is None if all cosines or all scores are equal, and "pairs", the number
        of pairs; {} without pairs.

    Raises:
        UserError: a number that does not occur on exactly two rows, or sides with different scores.

    Source: Cer et al. 2017, "SemEval-2017 Task 1: Semantic Textual Similarity"; Spearman's
    correlation as recommended by Reimers et al. 2016 and Gao et al. 2021 (SimCSE), appendix B.
    """
    rows = np.flatnonzero(np.asarray(pair) >= 0)
    if not len(rows):
        return {}
    numbers, counts = np.unique(pair[rows], return_counts=True)
    if (counts != 2).any():
        wrong = np.argmax(counts != 2)
        raise UserError(
            f"sts_pair is {numbers[wrong]} in {counts[wrong]} test examples, but a pair has two"
        )
    first, second = rows[np.argsort(pair[rows], kind="stable")].reshape(-1, 2).T
    if (score[first] != score[second]).any():
        wrong = pair[first[np.argmax(score[first] != score[second])]]
        raise UserError(f"sts_score differs between the two test examples of sts_pair {wrong}")
    found = similarity_spearman(features[first], features[second], score[first])
    return {"spearman": found, "pairs": len(first)}
