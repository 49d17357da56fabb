"""Soft aggregation against the formula with its weights outside the logarithm, and its limits."""

import jax
import jax.numpy as jnp
import numpy as np

from jcl.losses import soft_aggregation, supcon
from tests.losses.exactness import Case, assert_exact, evaluate, every_layout, log_sum_exp, unit

BATCH, DIMENSIONS = 32, 2
LABELS = np.random.default_rng(2).integers(0, 5, BATCH).astype(np.int32)
LABELS[[4, 9]] = 70, 71  # alone


def weights_of(z, labels, temperature):
    """Of every embedding, from the unit rows of all: a sum over the others of its label."""
    others = (labels[:, None] == labels) & ~np.eye(len(z), dtype=bool)
    return np.where(others, np.exp(z @ z.T / temperature), 0).sum(1)


def formula(z0, z1, labels, temperature, weight_temperature):
    z, labels = unit(np.concatenate([z0, z1])), np.tile(labels, 2)
    # No gradient reaches the weights.
    weights = weights_of(z.real, labels, np.real(weight_temperature))
    not_itself = ~np.eye(len(z), dtype=bool)
    positive = (labels[:, None] == labels) & not_itself
    logits = z @ z.T / temperature
    log_probabilities = logits - log_sum_exp(logits, not_itself)[:, None]
    shares = positive * weights / (positive * weights).sum(1, keepdims=True)
    return -(shares * log_probabilities).sum(1).mean()


def cases():
    random = np.random.default_rng(10)
    z0, z1 = random.normal(size=(2, BATCH, DIMENSIONS))
    z0[3] = z1[3] = z1[5] = 0
    arrays = [np.float64(np.float32(x)) for x in (z0, z1)]
    near = arrays[0], np.float64(np.float32(arrays[0] + 1e-3 * arrays[1]))
    return [
        Case((*views, LABELS, temperature, 0.3), temperature)
        for views in (arrays, near)
        for temperature in (0.05, 0.5)
    ]


CASES = cases()


@every_layout
def test_exact_and_linear_in_memory(layout):
    def loss(z0, z1, labels, temperature, weight_temperature, **options):
        temperatures = {"temperature": temperature, "weight_temperature": weight_temperature}
        return soft_aggregation(z0, z1, labels, **temperatures, **options)

    largest = max(2 * BATCH * DIMENSIONS, 2 * 2 * BATCH)
    assert_exact(loss, formula, CASES, layout, block_size=2, largest=largest)


def test_equal_weights_are_supcon():
    views = jnp.asarray(np.random.default_rng(3).normal(size=(2, 8, 4)), jnp.float32)

    @jax.jit
    @jax.value_and_grad
    def difference(views, labels):
        soft = soft_aggregation(*views, labels, temperature=0.2, weight_temperature=1e6)
        return soft - supcon(*views, labels, temperature=0.2)

    for labels in (LABELS[:8], np.zeros(8, np.int32), np.arange(8, dtype=np.int32)):
        value, gradient = difference(views, labels)
        np.testing.assert_allclose(value, 0, atol=2e-5)
        np.testing.assert_allclose(gradient, 0, atol=2e-5)


def test_a_view_far_from_the_others_of_its_label_counts_least():
    random = np.random.default_rng(4)
    z = np.stack([np.ones((2, 8)), np.zeros((2, 8))], axis=2) + 0.1 * random.normal(size=(2, 8, 2))
    z[1, 5] = -1, 0.2  # the spoilt view, and it stands there twice
    z[0, 5] = z[1, 5]
    labels = jnp.zeros(8, jnp.int32)
    weights = weights_of(unit(z.reshape(16, 2)), np.zeros(16), 0.5)
    assert {*np.argsort(weights)[:2]} == {5, 13}

    # A step down the gradient pulls the others' views less towards it than SupCon does.
    def pull(loss, **options):
        _, gradient = evaluate(lambda z: loss(*z, labels, temperature=0.5, **options), z)
        others = [i for i in range(8) if i != 5]
        return np.float64(-gradient[:, others] @ z[1, 5]).mean()

    plain = pull(supcon)
    soft = pull(soft_aggregation, weight_temperature=0.5)
    assert soft < plain
    assert plain > 0


def test_one_example():
    z = np.float32(np.random.default_rng(5).normal(size=(2, 1, 4)))
    temperatures = {"temperature": 0.01, "weight_temperature": 0.01}
    value, gradient = evaluate(
        lambda z: soft_aggregation(*z, jnp.zeros(1, jnp.int32), **temperatures), z
    )
    assert value == 0
    assert not gradient.any()
