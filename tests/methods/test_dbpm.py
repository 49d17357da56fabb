"""DBPM against a replay in NumPy of what it remembers, flags and weighs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.losses import nt_xent
from jcl.methods.base import Variables
from jcl.methods.clock import Clock
from jcl.methods.dbpm import DBPM
from tests.methods.contract import Normalised

EXAMPLES, BATCH, EPOCHS, TAU = 12, 4, 5, 0.3
PER_EPOCH = EXAMPLES // BATCH


def method(**options):
    return DBPM(encoder=Normalised(), projector=Normalised(), temperature=TAU, **options)


@pytest.fixture(autouse=True)
def _in_float64():
    with jax.enable_x64(True):
        yield


def steps():
    """Index and embeddings of each step; example 3's views never agree."""
    random = np.random.RandomState(0)
    for _ in range(EPOCHS):
        order = random.permutation(EXAMPLES)
        for index in order.reshape(PER_EPOCH, BATCH):
            z = np.repeat(random.normal(size=(BATCH, 1, 6)), 2, axis=1)
            z += 0.2 * random.normal(size=z.shape)
            z[index == 3, 1] *= -1
            yield index, z


def losses_of(z):
    """NT-Xent of each example: the mean of its two anchors' terms."""
    rows = np.concatenate([z[:, 0], z[:, 1]])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    logits = rows @ rows.T / TAU
    np.fill_diagonal(logits, -np.inf)
    positive = logits[np.arange(2 * BATCH), np.roll(np.arange(2 * BATCH), BATCH)]
    return (np.log(np.exp(logits).sum(1)) - positive).reshape(2, BATCH).mean(0)


def run(contrast):
    """Loss, flagged share and state of each step, through the method's functions."""
    zero = jnp.zeros(EXAMPLES)
    state = {"table": {"losses": zero, "weights": zero}, "mean": zero[0], "deviation": zero[0]}
    variables = Variables({}, {}, state)

    @jax.jit
    def take(variables, index, z, step):
        clock = Clock(step, PER_EPOCH, EPOCHS * PER_EPOCH)
        outcome = contrast.objective(variables, z, {"index": index}, clock, None, None)
        return outcome, contrast.after_update(variables, outcome.carry, clock)

    for step, (index, z) in enumerate(steps()):
        outcome, variables = take(variables, index, z, step)
        yield float(outcome.loss), float(outcome.metrics["flagged"]), variables.method_state


def test_a_run_against_a_replay():
    past = [[] for _ in range(EXAMPLES)]
    mean = deviation = 0.0
    flags = 0
    found = run(method(deviations=1.5, start_epochs=2.0))
    for step, ((index, z), (loss, share, state)) in enumerate(zip(steps(), found, strict=True)):
        epoch, now = step // PER_EPOCH, losses_of(z)
        weights = np.ones(BATCH)
        for place, example in enumerate(index):
            if epoch < 2:
                continue
            before = np.array(past[example])
            m = np.average(before, weights=1 + np.arange(len(before)))
            if abs(m - mean) >= 1.5 * deviation:
                weights[place] = np.exp(-((now[place] - mean) ** 2) / (2 * deviation**2))
        np.testing.assert_allclose(loss, np.mean(weights * now), atol=1e-12)
        np.testing.assert_allclose(share, np.mean(weights < 1))
        flags += np.sum(weights < 1)
        for place, example in enumerate(index):
            past[example].append(now[place])
        if (step + 1) % PER_EPOCH == 0:
            m = [np.average(p, weights=1 + np.arange(len(p))) for p in past]
            mean, deviation = np.mean(m), np.std(m)
        np.testing.assert_allclose(state["mean"], mean, atol=1e-12)
        np.testing.assert_allclose(state["deviation"], deviation, atol=1e-12)
    assert flags == EPOCHS - 2  # example 3, once an epoch


def test_with_nobody_flagged_it_is_simclr():
    for (_, z), (loss, share, _) in zip(steps(), run(method(start_epochs=99.0)), strict=True):
        np.testing.assert_allclose(loss, losses_of(z).mean(), atol=1e-12)
        assert share == 0


def test_no_gradient_reaches_the_weights():
    index, z = next(steps())
    state = {
        "table": {"losses": jnp.arange(12.0), "weights": jnp.ones(12)},
        "mean": jnp.asarray(0.5),
        "deviation": jnp.asarray(0.4),
    }
    contrast, clock = method(start_epochs=0.0), Clock(5, PER_EPOCH, 15)
    batch = {"index": jnp.asarray(index)}

    def loss(z):
        return contrast.objective(Variables({}, {}, state), z, batch, clock, None, None).loss

    now = losses_of(z)
    flagged = np.abs(index - 0.5) >= 2 * 0.4
    assert flagged.any()
    weights = np.where(flagged, np.exp(-((now - 0.5) ** 2) / (2 * 0.4**2)), 1)

    def weighted(z):
        return nt_xent(z[:, 0], z[:, 1], temperature=TAU, weights=jnp.asarray(weights))

    z = jnp.asarray(z)
    found, expected = jax.jit(lambda z: (jax.grad(loss)(z), jax.grad(weighted)(z)))(z)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_pair_without_past_losses_is_not_flagged():
    """An epoch leaves out some examples: no loss so far is not a loss of 0."""
    rows = {"losses": jnp.array([0.0, 0.0, 6.0]), "weights": jnp.array([0.0, 3.0, 3.0])}
    state = {"mean": jnp.asarray(2.0), "deviation": jnp.asarray(0.1)}
    assert method().flagged(rows, state).tolist() == [False, True, False]


def test_impossible_options_are_refused():
    for options in ({"deviations": 0.0}, {"start_epochs": -1.0}):
        with pytest.raises(UserError, match=f"method.{next(iter(options))}="):
            method(**options)
