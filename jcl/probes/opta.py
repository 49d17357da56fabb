"""Few-shot episodes whose class means are transported to the queries: BECLR's OpTA."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float, Int

from jcl.probes.episodes import episodes

_PASSES_OF_ONE_SHOT = 5
_SHARE_OF_NEW = 0.7  # of the transported mean, with more than one shot
_ITERATIONS, _TOLERANCE = 1000, 1e-4  # of Sinkhorn's algorithm; share of a mean's mass


def opta(
    features: Float[Array | np.ndarray, "n D"],
    labels: Int[Array | np.ndarray, " n"],
    *,
    ways: int = 5,
    shots: Sequence[int] = (1, 5),
    queries: int = 15,
    count: int = 600,
    seed: int = 0,
) -> dict[str, dict]:
    """Top-1 accuracy over the episodes of `episodes`, after optimal transport.

    Optimal transport moves class means towards the queries (`transported`), because means of few
    examples are imprecise. A logistic regression is then fitted on the moved means alone and
    predicts the queries. With one shot the means are moved five times. With more shots they are
    moved once, and 0.3 of the old mean is kept. Each feature vector is standardised by itself.

    The method uses all queries of an episode together, and assumes that all classes have equally
    many. So its numbers must not be compared with those of `episodes`, which classifies each query
    by itself.

    Args:
        features: float [n, D].
        labels: integer [n].
        ways: classes of an episode, at least 2.
        shots: examples of each class that are labelled.
        queries: examples of each class that are predicted.
        count: number of episodes, at least 2.
        seed: of the draws, which equal those of `episodes`.

    Returns:
        As `episodes`.

    Raises:
        UserError: as `episodes`.

    Source: Poulakakis-Daktylidis & Jamali-Rad 2024, "BECLR: Batch Enhanced Contrastive Few-Shot
    Learning" (https://arxiv.org/abs/2402.02444); passes and shares are those of the code released
    with it.
    """
    drawn = {"ways": ways, "shots": shots, "queries": queries, "count": count, "seed": seed}
    return episodes(features, labels, **drawn, classify=_of_transported_means)


def transported(
    means: Float[np.ndarray, "E W D"],
    queries: Float[np.ndarray, "E Q D"],
    *,
    epsilon: float = 0.05,
) -> Float[np.ndarray, "E W D"]:
    """For each episode, each mean as the average of the queries that are transported to it.

    The cost of a mean and a query is their squared distance divided by the largest one. All means
    have equal mass, and so have all queries (Cuturi, "Sinkhorn Distances", NeurIPS 2013).

    Args:
        means: of classes.
        queries: of the same space.
        epsilon: weight of the entropy; with a smaller one, fewer queries share a mean's mass.
    """
    squares = np.sum(means**2, axis=2)[:, :, None] + np.sum(queries**2, axis=2)[:, None]
    cost = np.maximum(squares - 2 * means @ queries.swapaxes(1, 2), 0)
    cost /= np.maximum(cost.max((1, 2), keepdims=True), np.finfo(cost.dtype).tiny)
    # The first scaling cancels the subtraction from a row, and no row underflows.
    kernel = np.exp((cost.min(2, keepdims=True) - cost) / epsilon)
    mass, of_queries = 1 / means.shape[1], 1 / queries.shape[1]
    sums = kernel.sum(2)
    for _ in range(_ITERATIONS):
        to_means = mass / sums
        to_queries = of_queries / np.einsum("ewq,ew->eq", kernel, to_means)
        sums = np.einsum("ewq,eq->ew", kernel, to_queries)
        if np.abs(to_means * sums - mass).max() < _TOLERANCE * mass:
            break
    plan = to_means[..., None] * kernel * to_queries[:, None]
    return plan @ queries / plan.sum(2, keepdims=True)


def _of_transported_means(known, asked):
    known, asked = _standardised(known), _standardised(asked)
    means, shots = known.mean(2), known.shape[2]
    if shots == 1:
        for _ in range(_PASSES_OF_ONE_SHOT):
            means = transported(means, asked)
    else:
        means = _SHARE_OF_NEW * transported(means, asked) + (1 - _SHARE_OF_NEW) * means
    # The weights are linear combinations of means, so the problem can be solved in their span.
    span = np.linalg.qr(means.swapaxes(1, 2))[0]
    logits = _with_one(asked @ span) @ _logistic(_with_one(means @ span))
    return np.argmax(logits, axis=2)


def _logistic(x: Float[np.ndarray, "E W V"]) -> Float[np.ndarray, "E V W"]:
    """Weights of classes with one example each, by Newton's method with step halving.

    They minimise the sum of the cross-entropies and half of the squared weights without the last
    column, the biases. This is scikit-learn's `LogisticRegression` with C = 1.
    """
    episodes, ways, width = x.shape
    penalty = np.append(np.ones(width - 1), 1e-9)[:, None]  # a common bias has no effect

    def log_softmax(weights):
        logits = x @ weights
        logits = logits - logits.max(2, keepdims=True)
        return logits - np.log(np.exp(logits).sum(2, keepdims=True))

    def value(weights):
        own = np.trace(log_softmax(weights), axis1=1, axis2=2)
        return np.sum(penalty * weights**2, axis=(1, 2)) / 2 - own

    weights = np.zeros((episodes, width, ways))
    for _ in range(100):
        p = np.exp(log_softmax(weights))
        slope = x.swapaxes(1, 2) @ (p - np.eye(ways)) + penalty * weights
        if np.abs(slope).max() < 1e-6:
            break
        curvature = p[..., None] * (np.eye(ways) - p[:, :, None])
        hessian = np.einsum("eiv,eiw,eicd->evcwd", x, x, curvature, optimize=True)
        hessian = hessian.reshape(episodes, width * ways, width * ways)
        hessian = hessian + np.diag(np.repeat(penalty, ways))
        step = np.linalg.solve(hessian, slope.reshape(episodes, -1, 1)).reshape(weights.shape)
        gain, before = np.sum(slope * step, axis=(1, 2)), value(weights)
        length = np.ones(episodes)
        for _ in range(30):
            moved = weights - length[:, None, None] * step
            too_far = value(moved) > before - 1e-4 * length * gain
            if not too_far.any():
                break
            length = np.where(too_far, length / 2, length)
        weights = moved
    return weights


def _with_one(x):
    return np.concatenate([x, np.ones_like(x[..., :1])], axis=-1)


def _standardised(x):
    x = x - x.mean(-1, keepdims=True)
    deviation = x.std(-1, keepdims=True)
    return x / np.where(deviation == 0, 1, deviation)
