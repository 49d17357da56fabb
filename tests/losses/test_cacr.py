"""CACR against the formula of the paper."""

import numpy as np
import pytest

from jcl.losses import cacr
from tests.losses.exactness import Case, assert_exact, evaluate, every_layout, log_sum_exp, unit
from tests.losses.many_view_cases import BATCH, DIMENSIONS, VIEWS, many_view_cases

# One temperature-like scale for tolerances: weights are softmaxes of 2 t cosines.
CASES = [
    Case((z, t_positive, t_negative, 0.7, 1.3), 1 / (2 * t_negative))
    for z in many_view_cases()
    for t_positive, t_negative in ((1.0, 2.0), (0.0, 20.0))
]


def formula(z, t_positive, t_negative, alpha, beta):
    u = unit(z).reshape(-1, z.shape[-1])
    squared = ((u[:, None] - u[None]) ** 2).sum(-1)
    example = np.repeat(np.arange(len(z)), z.shape[1])
    same = example[:, None] == example
    positive, negative = same & ~np.eye(len(u), dtype=bool), ~same

    def weighted(exponents, included):
        exponents = exponents.real  # the weights have no gradient
        weights = np.exp(exponents - log_sum_exp(exponents, included)[:, None])
        return (np.where(included, weights, 0) * squared).sum(1).mean()

    attraction = weighted(t_positive * squared, positive)
    return alpha * attraction - beta * weighted(-t_negative * squared, negative)


def loss(z, t_positive, t_negative, alpha, beta, **options):
    scalars = {"t_positive": t_positive, "t_negative": t_negative, "alpha": alpha, "beta": beta}
    return cacr(z, **scalars, **options)


@every_layout
@pytest.mark.slow
def test_exact_and_linear_in_memory(layout):
    largest = BATCH * VIEWS * DIMENSIONS  # fewer than a device's rows times all columns
    assert_exact(loss, formula, CASES, layout, block_size=1, largest=largest)


def test_no_temperatures_are_mean_distances_of_the_smallest_batch():
    z = np.float32(many_view_cases()[0][:2])
    u = unit(np.float64(z))
    squared = ((u[:, :, None, None] - u) ** 2).sum(-1)
    positives = [squared[i, v, i, w] for i in (0, 1) for v in range(3) for w in range(3) if v != w]
    expected = np.mean(positives) - squared[0, :, 1].mean()
    value, _ = evaluate(lambda z: cacr(z, t_positive=0, t_negative=0), z)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
