"""Predictions of the heads of networks that were trained with labels, and their scores."""

import functools

import jax
import numpy as np
from jaxtyping import Float, Real
from ml_collections import ConfigDict

from jcl.data import Source
from jcl.errors import UserError
from jcl.evaluation.encode import FEATURE_BATCH, output_function
from jcl.methods.base import Method, Variables
from jcl.probes.extract import extract
from jcl.probes.regression_scores import regions, regression_scores


def predict_split(
    config: ConfigDict, method: Method, variables: Variables, split: Source
) -> Float[np.ndarray, "n outputs"]:
    """The method's output "prediction" for every example, computed as for probes.

    Returns:
        Logits [n, C], or targets [n, 1].

    Raises:
        UserError: the network diverged.
    """
    apply = output_function(config, method, "prediction")

    @jax.jit
    def predict(variables, examples):
        predicted = apply(variables, examples)
        return predicted.reshape(len(predicted), -1)

    predicted = extract(
        functools.partial(predict, variables),
        split,
        batch_size=min(FEATURE_BATCH, len(split)),
        description="predictions",
    ).features
    if not np.isfinite(predicted).all():
        raise UserError("predictions hold NaN or infinity, so the network that made them diverged")
    return predicted


def score_predictions(
    predicted: Float[np.ndarray, "n outputs"],
    truth: Real[np.ndarray, " n"],
    train_truth: Real[np.ndarray, " m"],
    *,
    needs: tuple[str, ...],
    bin_width: float,
) -> dict:
    """Scores logits by their top-1, targets by `regression_scores` and `regions`.

    Args:
        predicted: from `predict_split`.
        truth: labels or targets of the same examples.
        train_truth: labels or targets that the head was trained with.
        needs: ("label",) or ("target",): the supervision of the method.
        bin_width: of `regions`.

    Returns:
        {"top1": fraction}, or {"mae", .., "regions"}.
    """
    if needs == ("label",):
        return {"top1": float(np.mean(predicted.argmax(1) == truth))}
    predicted = predicted[:, 0]
    return regression_scores(predicted, truth) | {
        "regions": regions(predicted, truth, train_truth, bin_width=bin_width)
    }
