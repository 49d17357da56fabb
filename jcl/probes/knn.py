"""Weighted k-nearest-neighbour classification on frozen features."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jcl.probes.checks import check_labels
from jcl.probes.class_scores import class_scores, is_unbalanced
from jcl.probes.neighbours import neighbours


def knn_predict(
    train_features: Float[Array | np.ndarray, "n D"],
    train_labels: Int[Array | np.ndarray, " n"],
    test_features: Float[Array | np.ndarray, "m D"],
    *,
    n_classes: int,
    k: int = 20,
    temperature: float = 0.07,
    block_size: int | None = None,
) -> Int[np.ndarray, " m"]:
    """Predict the class of each test row from its k most similar training rows.

    Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination"
    (CVPR 2018), section 3.4: class c gets the weight `sum exp(s_i / temperature)` over those of
    the k nearest neighbours i that have the label c; s_i is the cosine similarity.

    Ties go to the smaller label. The search is that of `neighbours`.

    Args:
        train_features: float [n, D]; need not be normalised.
        train_labels: integer [n], in [0, n_classes).
        test_features: float [m, D].
        n_classes: number of classes.
        k: number of neighbours that vote, at most n.
        temperature: of the votes' weights, positive.
        block_size: test rows compared at a time; None picks one that needs about 128 MiB.

    Returns:
        int32 [m], the predicted classes.

    Raises:
        UserError: k is not in [1, n], temperature or block_size is not positive, features are not
            finite matrices of one width, or labels do not match them.
    """
    n = len(train_features)
    index, weights = neighbours(
        train_features, test_features, k=k, temperature=temperature, block_size=block_size
    )
    check_labels("Train labels", train_labels, n=n, n_classes=n_classes)
    classes = _vote(jnp.asarray(train_labels, jnp.int32)[index], weights, n_classes=n_classes)
    return np.asarray(classes)


def knn_top1(
    train_features: Float[Array | np.ndarray, "n D"],
    train_labels: Int[Array | np.ndarray, " n"],
    test_features: Float[Array | np.ndarray, "m D"],
    test_labels: Int[Array | np.ndarray, " m"],
    *,
    n_classes: int,
    k: int = 20,
    temperature: float = 0.07,
    block_size: int | None = None,
) -> dict:
    """Top-1 accuracy of `knn_predict`, with its settings.

    Args and errors are those of `knn_predict`; `test_labels` are integers [m] in [0, n_classes).

    Returns:
        {"top1": fraction, "k": k, "temperature": temperature, "metric": "cosine"}, and what
        `class_scores` returns if the training labels are unbalanced.
    """
    check_labels("Test labels", test_labels, n=len(test_features), n_classes=n_classes)
    predicted = knn_predict(
        train_features,
        train_labels,
        test_features,
        n_classes=n_classes,
        k=k,
        temperature=temperature,
        block_size=block_size,
    )
    top1 = float(np.mean(predicted == np.asarray(test_labels)))
    scores = {"top1": top1, "k": k, "temperature": float(temperature), "metric": "cosine"}
    if is_unbalanced(train_labels):
        scores |= class_scores(predicted, test_labels, train_labels)
    return scores


@partial(jax.jit, static_argnames="n_classes")
def _vote(labels, weights, *, n_classes):
    def vote(row):
        votes = jnp.zeros(n_classes).at[row[0]].add(row[1])
        return jnp.argmax(votes).astype(jnp.int32)  # ties: the smaller label

    return jax.lax.map(vote, (labels, weights), batch_size=1024)
