"""ConR against the formula of the paper."""

import jax.numpy as jnp
import numpy as np

from jcl.losses import conr
from tests.losses.contrastive_formulas import two_view_loss
from tests.losses.exactness import Case, assert_exact, evaluate, every_layout, log_sum_exp, unit

BATCH, DIMENSIONS = 32, 2


def formula(f0, f1, targets, predictions, temperature, window, push, weights):
    f = unit(np.concatenate([f0, f1]))
    # No gradient reaches these.
    y, p, w = (np.tile(x.real, 2) for x in (targets, predictions, weights))
    logits = f @ f.T / temperature
    apart = np.abs(y[:, None] - y)
    near, window = apart <= window.real, window.real
    positive = near & ~np.eye(len(f), dtype=bool)
    negative = ~near & (np.abs(p[:, None] - p) <= window)
    factor = np.where(positive, 1, w[:, None] * np.exp(push * apart))
    included = (positive | negative) & (factor.real > 0)
    log_d = log_sum_exp(logits + np.log(np.where(included, factor, 1)), included)
    mean_positive = np.where(positive, logits, 0).sum(1) / positive.sum(1)
    return (w * negative.any(1) * (log_d - mean_positive)).mean()


def cases():
    random = np.random.default_rng(10)
    f0, f1 = random.normal(size=(2, BATCH, DIMENSIONS))
    f0[3] = f1[3] = f1[5] = 0
    # Halves, so that many targets and predictions are a whole window apart, no more.
    targets, predictions = random.integers(0, 20, (2, BATCH)) / 2
    targets[:3], predictions[:3] = (50, 50, 60), (50, 50, 60)  # without negatives
    weights = random.uniform(0.2, 3, BATCH)
    weights[7] = 0
    arrays = [np.float64(np.float32(x)) for x in (f0, f1, targets, predictions, weights)]
    near = arrays[0], np.float64(np.float32(arrays[0] + 1e-3 * arrays[1])), *arrays[2:]
    return [
        Case((*views, targets, predictions, temperature, 1.5, push, weights), temperature)
        for temperature, push in ((0.07, 0.01), (0.5, 0.25))
        for *views, targets, predictions, weights in (arrays, near)
    ]


CASES = cases()


@every_layout
def test_exact_and_linear_in_memory(layout):
    def loss(f0, f1, targets, predictions, temperature, window, push, weights, **options):
        scalars = {"temperature": temperature, "window": window, "push": push}
        return conr(f0, f1, targets, predictions, **scalars, weights=weights, **options)

    # The anchors, or a block: fewer than the rows of one of eight devices times all columns.
    largest = max(2 * BATCH * DIMENSIONS, 2 * 2 * BATCH)
    assert_exact(loss, formula, CASES, layout, block_size=2, largest=largest)


def test_no_negatives_are_no_loss():
    f0, f1, targets, *_ = CASES[0].arguments
    y = jnp.asarray(targets, jnp.float32)

    def loss(views):
        # Predictions as good as can be; then one example alone.
        alone = conr(*views[:, :1], y[:1], y[:1])
        return conr(*views, y, y, temperature=0.01) + alone

    value, gradient = evaluate(loss, np.stack([f0, f1]))
    assert value == 0
    assert not gradient.any()


def test_one_prediction_for_all_and_no_push_are_nt_xent():
    views = np.stack(CASES[0].arguments[:2])
    # Integers are compared as numbers: differences of unsigned ones would wrap around.
    targets = jnp.arange(BATCH, dtype=jnp.uint8)
    options = {"temperature": 0.1, "window": 0.5, "push": 0}
    value, gradient = evaluate(
        lambda views: conr(*views, targets, jnp.zeros(BATCH), **options), views
    )
    expected, (*gradients, _) = two_view_loss(*views, 0.1, decoupled=False)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, np.stack(gradients), atol=1e-4)
