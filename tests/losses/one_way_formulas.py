"""Losses of the one-way family as on paper: whole matrices in float64, gradients by complex step.

Every function is analytic in its floating-point arguments. Nothing is shared with `jcl.losses`.
"""

import numpy as np

from tests.losses.engine_example_formulas import _log_sum_exp, _unit


def _cross_entropy(logits, own, included=None):
    """-log softmax of column own[i] of row i, over the included columns."""
    included = np.ones(logits.shape, bool) if included is None else included
    return _log_sum_exp(logits, included) - logits[np.arange(len(logits)), own]


def one_way_nce(queries, keys, negatives, temperature):
    columns = np.concatenate([_unit(keys), _unit(negatives)])
    logits = _unit(queries) @ columns.T / temperature
    return _cross_entropy(logits, np.arange(len(queries))).mean()


def query_queue_nce(queries, keys, queue, temperature):
    q, k, n = map(_unit, (queries, keys, queue))
    logits = np.column_stack([(q * k).sum(1), q @ n.T]) / temperature
    return _cross_entropy(logits, 0).mean()


def hard_nt_xent(z0, z1, temperature, threshold):
    z, batch = _unit(np.concatenate([z0, z1])), len(z0)
    cosines = z @ z.T
    partner = np.roll(np.arange(2 * batch), batch)
    included = cosines.real > threshold.real
    included[np.arange(2 * batch), partner] = True
    np.fill_diagonal(included, False)
    return _cross_entropy(cosines / temperature, partner, included).mean()


def siglip(images, texts, temperature, bias):
    logits = _unit(images) @ _unit(texts).T / temperature + bias
    signed = logits * (2 * np.eye(len(images)) - 1)
    # log sigmoid, without overflow on either side
    log_sigmoid = -np.log1p(np.exp(np.where(signed.real > 0, -signed, signed)))
    return -(log_sigmoid + np.where(signed.real > 0, 0, signed)).sum() / len(images)


def cmim_contrast(z, temperature):
    cosines = _unit(z) @ _unit(z).T
    others = ~np.eye(len(z), dtype=bool)
    terms = np.where(others, np.exp(np.where(others, cosines - 1, 0) / temperature), 0)
    return np.log(1 + terms.sum(1) / max(len(z) - 1, 1)).mean()


def one_to_k(images, captions, temperature):
    batch, k, d = captions.shape
    logits = _unit(images) @ _unit(captions.reshape(batch * k, d)).T / temperature
    image_of = np.repeat(np.arange(batch), k)
    from_images = [_cross_entropy(logits, np.arange(batch) * k + caption) for caption in range(k)]
    return (np.mean(from_images, axis=0).mean() + _cross_entropy(logits.T, image_of).mean()) / 2


def sinkhorn(scores, epsilon, iterations):
    """As SwAV's pseudocode has it, on the whole matrix of exponentials; prototypes are columns."""
    batch, prototypes = scores.shape
    codes = np.exp((scores - scores.max()) / epsilon)
    codes /= codes.sum()
    for _ in range(iterations):
        codes /= prototypes * codes.sum(0, keepdims=True)
        codes /= batch * codes.sum(1, keepdims=True)
    return batch * codes
