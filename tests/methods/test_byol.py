"""BYOL against NumPy in float64: its loss, its gradient, and what follows what."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.methods.base import Variables
from jcl.methods.byol import BYOL
from tests.methods.linear_networks import (
    CLOCK,
    assert_is_gradient,
    cosines,
    drawn_like,
    layer,
    loss_and_gradient,
    started,
    through,
    views,
)
from tests.tiny import assert_same_bits, largest_difference


def byol(**options):
    return BYOL(encoder=layer(), projector=layer(), predictor=layer(), **options)


def formula(params, copies):
    """(2 - 2 cos(p1, z'2)) + (2 - 2 cos(p2, z'1)), averaged over examples."""
    x = np.asarray(views()["features"])
    p = through(params, x, "encoder", "projector", "predictor")
    z = through(copies, x, "encoder", "projector")
    return np.mean(2 - 2 * cosines(p[:, 0], z[:, 1]) + 2 - 2 * cosines(p[:, 1], z[:, 0]))


def test_the_loss_and_its_gradient_against_numpy():
    with jax.enable_x64(True):
        method = byol(decay=0.7)
        variables = started(method)
        # Copies as they are after some steps: they differ from the networks.
        copies = drawn_like(variables.method_state["momentum"], 2)
        variables = variables._replace(method_state={"momentum": copies})
        (loss, outcome), gradient = loss_and_gradient(method, variables)
        np.testing.assert_allclose(loss, formula(variables.params, copies), rtol=1e-12)
        assert_is_gradient(gradient, lambda params: formula(params, copies), variables.params)
        decay = 1 - 0.3 * (1 + math.cos(math.pi * 3 / 10)) / 2
        np.testing.assert_allclose(outcome.metrics["decay"], decay, rtol=1e-12)


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_copies_are_the_networks_of_a_decay_of_0_and_stay_at_1(decay):
    """Whatever the default of the end, which is 1."""
    old = {"encoder": jnp.float32(1), "projector": jnp.float32(2)}
    new = {"encoder": jnp.float32(3), "projector": jnp.float32(4), "predictor": jnp.float32(5)}
    variables = Variables(new, {}, {"momentum": old})
    after = byol(decay=decay, decay_end=decay).after_update(variables, {}, CLOCK)
    expected = {0.0: {"encoder": 3.0, "projector": 4.0}, 1.0: old}[decay]
    assert largest_difference(after.method_state["momentum"], expected) == 0
    assert_same_bits(after.params, new)


def test_a_collapse_shows():
    constant = jnp.broadcast_to(jnp.array([1.0, -2.0, 0.5]), (4, 2, 3))
    embeddings = {
        "online": {"projection": constant, "prediction": constant},
        "momentum": constant,
    }
    objective = jax.jit(lambda found: byol().objective(None, found, {}, CLOCK, None, None))
    outcome = objective(embeddings)
    np.testing.assert_allclose(outcome.loss, 0, atol=1e-6)  # the best there is
    np.testing.assert_allclose(outcome.metrics["embedding_spread"], 0, atol=1e-3)


def test_an_impossible_decay_is_named():
    with pytest.raises(UserError, match=r"method.decay=1.5 is impossible"):
        byol(decay=1.5)
