"""Contrastive losses as written on paper: float64 NumPy, whole matrices, analytic gradients.

Nothing here shares code or layout with `jcl.losses`: views stand one after the other, anchor i
has its partner at (i + B) mod 2B, and gradients are derived by hand.
"""

import numpy as np


def _unit(x):
    x = np.asarray(x, np.float64)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    safe = np.where(norm == 0, 1, norm)
    return np.where(norm == 0, 0, x / safe), safe, norm == 0


def two_view_loss(z0, z1, temperature, *, decoupled, weight_sigma=None):
    """Value and gradients (of z0, z1, temperature) of NT-Xent, or DCL(W) where decoupled."""
    batch = len(z0)
    anchors = 2 * batch
    z, norm, is_zero = _unit(np.concatenate([np.asarray(z0), np.asarray(z1)]).astype(np.float64))
    similarity = z @ z.T
    logits = similarity / temperature
    me = np.arange(anchors)
    partner = (me + batch) % anchors

    in_sum = ~np.eye(anchors, dtype=bool)
    if decoupled:
        in_sum[me, partner] = False
    shift = np.max(np.where(in_sum, logits, -np.inf), axis=1, keepdims=True)
    terms = np.where(in_sum, np.exp(np.where(in_sum, logits - shift, 0)), 0)
    log_sum = shift[:, 0] + np.log(terms.sum(axis=1))

    weight = np.ones(anchors)
    if weight_sigma is not None:
        scaled = similarity[me, partner][:batch] / weight_sigma
        softmax = np.exp(scaled - scaled.max())
        softmax /= softmax.sum()
        weight = np.tile(2 - batch * softmax, 2)

    value = np.mean(log_sum - weight * logits[me, partner])

    by_logit = terms / terms.sum(axis=1, keepdims=True)
    by_logit[me, partner] -= weight
    by_logit /= anchors
    # A similarity's two vectors both get gradient: as anchor (rows) and as key (columns).
    by_unit = (by_logit + by_logit.T) @ z / temperature
    by_raw = (by_unit - z * np.sum(z * by_unit, axis=1, keepdims=True)) / norm
    by_raw = np.where(is_zero, 0, by_raw)
    by_temperature = -np.sum(by_logit * logits) / temperature
    return value, (by_raw[:batch], by_raw[batch:], by_temperature)


def two_tower_loss(queries, keys, temperature):
    """Value and gradients (of queries, keys, temperature) of InfoNCE.

    CLIP's pseudocode: cross-entropy of the rows of one matrix and of its columns.
    """

    def unit(x):
        norm = np.linalg.norm(x, axis=1, keepdims=True)
        return np.divide(x, norm, out=np.zeros_like(x), where=norm > 0), norm

    def cross_entropy(logits):
        log_softmax = logits - logits.max(axis=1, keepdims=True)
        log_softmax -= np.log(np.exp(log_softmax).sum(axis=1, keepdims=True))
        return -np.mean(np.diag(log_softmax)), (np.exp(log_softmax) - np.eye(batch)) / batch

    def through_unit(by_unit, unit, norm):
        radial = unit * np.sum(unit * by_unit, axis=1, keepdims=True)
        return np.divide(by_unit - radial, norm, out=np.zeros_like(unit), where=norm > 0)

    batch = len(queries)
    q, q_norm = unit(np.asarray(queries, np.float64))
    k, k_norm = unit(np.asarray(keys, np.float64))
    logits = q @ k.T / temperature
    rows, by_row_logit = cross_entropy(logits)
    columns, by_column_logit = cross_entropy(logits.T)
    by_logit = (by_row_logit + by_column_logit.T) / 2
    by_queries = through_unit(by_logit @ k / temperature, q, q_norm)
    by_keys = through_unit(by_logit.T @ q / temperature, k, k_norm)
    by_temperature = -np.sum(by_logit * logits) / temperature
    return (rows + columns) / 2, (by_queries, by_keys, by_temperature)


def value_tolerance(value):
    return 1e-5 * max(1.0, abs(value))


def gradient_tolerance(gradient, temperature, anchors):
    """Largest error of an entry, for gradients of rows of unit norm."""
    size = max(np.max(np.abs(gradient)), 1 / (temperature * anchors))
    return 1e-5 * size * max(1.0, 0.02 / temperature)
