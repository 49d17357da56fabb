"""The examples of the engine as on paper: whole matrices in float64, gradients by complex step.

Every function is analytic in its floating-point arguments, so a step of 1e-30 along the imaginary
axis gives a derivative without cancellation. Views stand one after the other; nothing is shared
with `jcl.losses`.
"""

import numpy as np


def _unit(x):
    squared = (x * x).sum(1, keepdims=True)
    return np.where(squared.real == 0, 0, x / np.sqrt(np.where(squared.real == 0, 1, squared)))


def _squared_distances(x, y):
    difference = x[:, None] - y[None]
    return (difference * difference).sum(-1)


def _log_sum_exp(x, included):
    """Over the last axis."""
    shift = np.where(included, x.real, -np.inf).max(-1, keepdims=True)
    terms = np.where(included, np.exp(np.where(included, x - shift, 0)), 0)
    return shift[..., 0] + np.log(terms.sum(-1))


def soft_info_nce(queries, keys, targets, temperature):
    logits = _unit(queries) @ _unit(keys).T / temperature
    log_softmax = logits - _log_sum_exp(logits, np.ones(logits.shape, bool))[:, None]
    return -(targets * log_softmax).sum() / len(queries)


def alignment_uniformity(z0, z1, weight, t):
    x, y = _unit(z0), _unit(z1)
    not_self = ~np.eye(len(x), dtype=bool)

    def uniformity(x):
        exponents = -t * _squared_distances(x, x)[not_self]
        return _log_sum_exp(exponents, np.ones(exponents.shape, bool)) - np.log(not_self.sum())

    alignment = ((x - y) * (x - y)).sum() / len(x)
    return alignment + weight * (uniformity(x) + uniformity(y)) / 2


def rank_n_contrast(z0, z1, targets, temperature):
    v, y = np.concatenate([z0, z1]), np.concatenate([targets, targets])
    n = len(v)
    squared = _squared_distances(v, v)
    # Where rows coincide the distance is zero, and so, by definition, is its derivative.
    coincide = (v.real[:, None] == v.real[None]).all(-1)
    logits = -np.where(coincide, 0, np.sqrt(np.where(coincide, 1, squared))) / temperature
    apart = np.abs(y[:, None] - y[None])
    not_self = ~np.eye(n, dtype=bool)
    # anchor i, positive j, term k
    in_sum = (apart[:, None, :] >= apart[:, :, None]) & not_self[:, None, :]
    terms = _log_sum_exp(np.broadcast_to(logits[:, None, :], (n, n, n)), in_sum) - logits
    return terms[not_self].sum() / (n * (n - 1))


def value_and_gradients(formula, *arguments):
    """Value, and gradients with respect to all arguments."""
    arguments = [np.asarray(x, np.float64) for x in arguments]
    gradients = []
    for argument, x in enumerate(arguments):
        gradient = np.zeros_like(x)
        for position in np.ndindex(x.shape):
            moved = [x.astype(np.complex128) for x in arguments]
            # Rows may be as small as 1e-30 or as large as 1e30.
            step = 1e-30 * max(np.abs(x[position[: max(1, x.ndim - 1)]]).max(), 1e-30)
            moved[argument][position] += 1j * step
            gradient[position] = formula(*moved).imag / step
        gradients.append(gradient)
    return formula(*arguments), gradients
