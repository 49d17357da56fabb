"""Optimizers against NumPy formulas, on trees with every kind of parameter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.config import base
from jcl.optim.optimizers import is_weight, lars, make_optimizer


def parameters():
    random = np.random.RandomState(0)
    return {
        "dense": {"kernel": random.randn(5, 3), "bias": random.randn(3)},
        # As flax's attention has them: a bias with two axes.
        "query": {"kernel": random.randn(4, 2, 2), "bias": random.randn(2, 2)},
        "norm": {"scale": random.randn(3), "bias": random.randn(3)},
        "zero": {"kernel": np.zeros((2, 2))},
        "position_embedding": random.randn(4, 3),
        "class_token": random.randn(3),
    }


def test_only_weights_are_decayed_and_adapted():
    assert is_weight(parameters()) == {
        "dense": {"kernel": True, "bias": False},
        "query": {"kernel": True, "bias": False},
        "norm": {"scale": False, "bias": False},
        "zero": {"kernel": True},
        "position_embedding": False,
        "class_token": False,
    }


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_lars_against_the_formula(weight_decay):
    learning_rates = [0.0, 0.5, 2.0, 1.0]
    optimizer = lars(
        learning_rate=lambda step: jnp.asarray(learning_rates)[step],
        weight_decay=weight_decay,
        momentum=0.8,
        trust_coefficient=0.01,
    )
    weights = parameters()
    params = jax.tree.map(jnp.asarray, weights)
    state = optimizer.init(params)
    momenta = jax.tree.map(np.zeros_like, weights)
    random = np.random.RandomState(1)
    adapted = is_weight(weights)

    def expected(weight, momentum, gradient, is_adapted, learning_rate):
        trust = 1.0
        if is_adapted:
            gradient = gradient + weight_decay * weight
            norms = np.sqrt((weight**2).sum()), np.sqrt((gradient**2).sum())
            trust = 0.01 * norms[0] / norms[1] if min(norms) > 0 else 1.0
        momentum = 0.8 * momentum + learning_rate * trust * gradient
        return weight - momentum, momentum

    for learning_rate in learning_rates:
        gradients = jax.tree.map(lambda w: random.randn(*w.shape), weights)
        updates, state = jax.jit(optimizer.update)(
            jax.tree.map(jnp.float32, gradients), state, params
        )
        params = jax.tree.map(jnp.add, params, updates)
        pairs = jax.tree.map(
            lambda *leaves, rate=learning_rate: expected(*leaves, rate),
            *(weights, momenta, gradients, adapted),
        )
        weights, momenta = (
            jax.tree.map(lambda pair, k=k: pair[k], pairs, is_leaf=lambda x: isinstance(x, tuple))
            for k in (0, 1)
        )
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6), params, weights
        )


def test_the_momentum_has_the_learning_rate_in_it():
    """SimCLR's order: a rate of zero stops new gradients, not the momentum."""
    optimizer = lars(learning_rate=lambda step: jnp.asarray([1.0, 0.0])[step], momentum=0.5)
    params = {"bias": jnp.zeros(1)}
    state = optimizer.init(params)
    first, state = optimizer.update({"bias": jnp.ones(1)}, state, params)
    second, state = optimizer.update({"bias": jnp.ones(1)}, state, params)
    assert float(first["bias"][0]) == -1.0
    assert float(second["bias"][0]) == -0.5


def test_betas_reach_adamw():
    config = base()
    config.optimizer.beta1, config.optimizer.beta2 = 0.5, 0.75
    config.optimizer.weight_decay = 0.0
    optimizer = make_optimizer(config, lambda step: 1.0)
    params = {"kernel": jnp.zeros((1, 1))}
    state = optimizer.init(params)
    mean = square = 0.0
    for step, gradient in enumerate((1.0, -3.0, 2.0), start=1):
        updates, state = optimizer.update({"kernel": jnp.full((1, 1), gradient)}, state, params)
        mean, square = 0.5 * mean + 0.5 * gradient, 0.75 * square + 0.25 * gradient**2
        expected = -(mean / (1 - 0.5**step)) / np.sqrt(square / (1 - 0.75**step))
        np.testing.assert_allclose(updates["kernel"][0, 0], expected, rtol=1e-5)
