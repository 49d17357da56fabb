"""Weighted k-nearest-neighbour classification on frozen features."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jcl.errors import UserError
from jcl.losses.embeddings import unit_rows
from jcl.probes.checks import check_features, check_labels, check_same_width


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

    The search is exact. Memory is `block_size x n`, never `m x n`. Equally similar neighbours are
    taken in the order of the training set, and tied classes go to the smaller label, so the
    answer depends on nothing but the arguments.

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
            finite matrices of one width, or labels do not fit them.
    """
    n = len(train_features)
    check_features("Train features", train_features)
    check_features("Test features", test_features)
    check_same_width(train_features, test_features)
    check_labels("Train labels", train_labels, n=n, n_classes=n_classes)
    if not 1 <= k <= n:
        raise UserError(f"k={k} neighbours were asked of {n} training examples.")
    if not temperature > 0:
        raise UserError(f"The kNN temperature must be positive, not {temperature}.")
    if block_size is None:
        block_size = min(max(2**25 // n, 1), 1024)
    if block_size < 1:
        raise UserError(f"block_size must be at least 1, not {block_size}.")
    classes = _predict(
        jnp.asarray(train_features, jnp.float32),
        jnp.asarray(train_labels, jnp.int32),
        jnp.asarray(test_features, jnp.float32),
        jnp.float32(temperature),
        n_classes=n_classes,
        k=k,
        block_size=min(block_size, len(test_features)),
    )
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
    """Top-1 accuracy of `knn_predict`, with the settings that made it.

    Args and errors are those of `knn_predict`; `test_labels` are integers [m] in [0, n_classes).

    Returns:
        {"top1": fraction, "k": k, "temperature": temperature, "metric": "cosine"}.
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
    return {"top1": top1, "k": k, "temperature": float(temperature), "metric": "cosine"}


@partial(jax.jit, static_argnames=("n_classes", "k", "block_size"))
def _predict(train, labels, test, temperature, *, n_classes, k, block_size):
    train = unit_rows(train)

    def classify(row):
        similarity = jnp.matmul(train, row, precision=jax.lax.Precision.HIGHEST)
        nearest, index = jax.lax.top_k(similarity, k)  # ties: the smaller index first
        # Weights relative to the nearest neighbour: the same winner, and no overflow at any
        # temperature.
        weights = jnp.exp((nearest - nearest[0]) / temperature)
        votes = jnp.zeros(n_classes).at[labels[index]].add(weights)
        return jnp.argmax(votes).astype(jnp.int32)  # ties: the smaller label

    # Batched, `classify` is one matrix product a block.
    return jax.lax.map(classify, unit_rows(test), batch_size=block_size)
