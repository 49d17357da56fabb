"""iSogCLR against the published formulas in NumPy, and against SogCLR."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.losses import sogclr
from jcl.methods.base import Variables
from jcl.methods.clock import Clock
from jcl.methods.isogclr import ISogCLR, isogclr_loss
from tests.methods.contract import Normalised

BATCH, GAMMA, RHO = 5, 0.7, 0.4
RANDOM = np.random.RandomState(0)
Z0, Z1 = RANDOM.normal(size=(2, BATCH, 4))
U = np.array([0.0, 3.0, 5.0, 0.5, 2.0])  # 0: never seen
TAU = np.array([0.1, 0.3, 1.0, 0.07, 0.5])
CLOCK = Clock(step=7, steps_per_epoch=3, total_steps=30)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def formula(z0, z1, u, tau):
    """g, and u as published, of both views of each example, views one after the other [2B]."""
    z, tau = unit(np.concatenate([z0, z1])), np.tile(tau, 2)
    cosines = z @ z.T
    negative = np.tile(~np.eye(BATCH, dtype=bool), (2, 2))
    exponential = np.where(negative, np.exp(cosines / tau[:, None]), 0)
    g = exponential.sum(1) / (2 * BATCH - 2)
    old = np.tile(u, 2)
    u = np.where(old == 0, g, (1 - GAMMA) * old + GAMMA * g)
    positive = cosines[np.arange(2 * BATCH), np.roll(np.arange(2 * BATCH), BATCH)]
    weighted = (exponential / u[:, None] * cosines / tau[:, None]).sum(1) / (2 * BATCH - 2)
    return {
        "loss": np.mean(tau * np.log(u) - positive),
        "u": u.reshape(2, BATCH).mean(0),
        "tau": (np.log(u) + RHO - weighted).reshape(2, BATCH).mean(0),
        "weights": exponential / u[:, None] / (2 * BATCH - 2),
        "cosines": cosines,
    }


def log(u):
    with np.errstate(divide="ignore"):  # 0 is an example without an estimate
        return np.log(u)


def of_embeddings(z0, z1, u=U, tau=TAU):
    arrays = map(jnp.asarray, (z0, z1, log(u), tau))
    return isogclr_loss(*arrays, gamma=GAMMA, rho=RHO, mesh=None)


@pytest.fixture(autouse=True)
def _in_float64():
    with jax.enable_x64(True):
        yield


def test_values_against_numpy():
    found, expected = of_embeddings(Z0, Z1), formula(Z0, Z1, U, TAU)
    np.testing.assert_allclose(found.loss, expected["loss"], atol=1e-12)
    np.testing.assert_allclose(np.exp(found.log_estimates), expected["u"], atol=1e-12)
    np.testing.assert_allclose(found.temperature_gradients, expected["tau"], atol=1e-12)


@pytest.mark.slow
def test_the_gradient_is_that_of_the_published_surrogate():
    """Whose weights of negatives, exp(s / t) / u, are constants."""
    weights = formula(Z0, Z1, U, TAU)["weights"]

    def surrogate(z0, z1):
        z = jnp.concatenate([z0, z1])
        z = z / jnp.linalg.norm(z, axis=1, keepdims=True)
        cosines = z @ z.T
        positive = cosines[np.arange(2 * BATCH), np.roll(np.arange(2 * BATCH), BATCH)]
        return jnp.mean((weights * cosines).sum(1) - positive)

    expected = jax.grad(surrogate, (0, 1))(jnp.asarray(Z0), jnp.asarray(Z1))
    found = jax.grad(lambda *z: of_embeddings(*z).loss, (0, 1))(Z0, Z1)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_gradient_of_a_temperature_is_the_derivative_of_the_robust_objective():
    """At u = g it is d/dt of t (log g(t) + rho), which is rho less a divergence."""
    never, step = np.zeros(BATCH), 1e-6

    def objective(tau):
        return 2 * BATCH * (formula(Z0, Z1, never, tau)["loss"] + RHO * tau.mean())

    slopes = [
        (objective(TAU + step * e) - objective(TAU - step * e)) / (2 * step) / 2
        for e in np.eye(BATCH)
    ]
    found = of_embeddings(Z0, Z1, never).temperature_gradients
    np.testing.assert_allclose(found, slopes, atol=1e-7)


@pytest.mark.slow
def test_with_one_temperature_it_is_sogclr():
    options = {"temperature": 0.3, "gamma": GAMMA}

    def loss(z0, z1):
        return sogclr(jnp.asarray(z0), jnp.asarray(z1), jnp.log(U), **options)

    found = of_embeddings(Z0, Z1, tau=np.full(BATCH, 0.3))
    expected, log_estimates = loss(Z0, Z1)
    np.testing.assert_allclose(found.loss, expected, atol=1e-12)
    np.testing.assert_allclose(found.log_estimates, log_estimates, atol=1e-12)
    gradients = jax.grad(lambda *z: loss(*z)[0], (0, 1))(Z0, Z1)
    same = jax.grad(lambda *z: of_embeddings(*z, tau=np.full(BATCH, 0.3)).loss, (0, 1))(Z0, Z1)
    np.testing.assert_allclose(same, gradients, atol=1e-12)


def method(**options):
    return ISogCLR(encoder=Normalised(), projector=Normalised(), **options)


def test_the_table_moves_by_momentum_within_its_bounds():
    options = {"gamma": GAMMA, "rho": RHO, "eta": 0.05, "beta": 0.3, "clip": 0.5}
    contrast = method(temperature=0.3, temperature_min=0.28, temperature_max=0.9, **options)
    index = np.array([6, 2, 0, 4, 7])
    state = {
        "log_estimates": np.full(8, -np.inf),
        "temperatures": np.full(8, 0.3),
        "velocities": np.arange(8.0) / 10,
    }
    state["log_estimates"][index], state["temperatures"][index] = log(U), TAU + 0.28
    variables = Variables({}, {}, jax.tree.map(jnp.asarray, state))
    outcome = contrast.objective(
        variables, jnp.stack([Z0, Z1], 1), {"index": jnp.asarray(index)}, CLOCK, None, None
    )
    after = contrast.after_update(variables, outcome.carry, CLOCK).method_state
    gradient = np.clip(formula(Z0, Z1, U, TAU + 0.28)["tau"], -0.5, 0.5)
    velocity = 0.7 * state["velocities"][index] + 0.3 * gradient
    temperature = np.clip(TAU + 0.28 - 0.05 * velocity, 0.28, 0.9)
    np.testing.assert_allclose(after["velocities"][index], velocity, atol=1e-12)
    np.testing.assert_allclose(after["temperatures"][index], temperature, atol=1e-12)
    np.testing.assert_allclose(outcome.metrics["temperature"], temperature.mean(), atol=1e-12)
    others = np.setdiff1d(np.arange(8), index)
    for name, before in state.items():
        np.testing.assert_array_equal(after[name][others], before[others])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"temperature": 0.01}, "lies between method.temperature_min=0.05"),
        ({"temperature_max": 0.09}, "method.temperature_max=0.09"),
        ({"rho": -1.0}, "method.rho=-1.0"),
        ({"beta": 0.0}, "method.beta=0.0"),
    ],
)
def test_impossible_options_are_refused(options, says):
    with pytest.raises(UserError, match=says):
        method(**options)


def test_one_example_has_no_negatives():
    with pytest.raises(UserError, match="batch_size=1"):
        of_embeddings(Z0[:1], Z1[:1], U[:1], TAU[:1])
