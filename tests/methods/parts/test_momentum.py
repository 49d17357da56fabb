"""Copies that follow networks, with networks of one number each."""

import dataclasses
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.methods.base import Outcome, Variables
from jcl.methods.clock import Clock
from jcl.methods.parts.momentum import Momentum
from jcl.methods.parts.two_view import TwoViewNetworks
from tests.tiny import largest_difference


class Factor(nn.Module):
    """Multiplies by its number, counts its calls, and adds what its keys say."""

    first: float = 1.0

    @nn.compact
    def __call__(self, x, *, train, keys=None):
        calls = self.variable("batch_stats", "calls", jnp.zeros, ())
        if train:
            calls.value += 1.0
        x = x * self.param("w", nn.initializers.constant(self.first), ())
        return x if keys is None else x + jax.random.key_data(keys)[:, :1]


@dataclasses.dataclass(frozen=True)
class Copying(Momentum, TwoViewNetworks):
    """Whose loss does not matter."""

    def objective(self, variables, embeddings, batch, clock, key, mesh):
        return Outcome(jnp.float32(0), {}, {})


def method(**options):
    return Copying(encoder=Factor(2.0), projector=Factor(3.0), **options)


def numbers(encoder, projector, leaf="w"):
    return {"encoder": {leaf: jnp.float32(encoder)}, "projector": {leaf: jnp.float32(projector)}}


VIEWS = {"image": jnp.arange(6.0).reshape(3, 2, 1)}
# Networks of 5 and 7, called 10 times; their copies of 2 and 3, called 20 times.
STATE = Variables(
    numbers(5, 7),
    {**numbers(10, 10, "calls"), "momentum": numbers(20, 20, "calls")},
    {"momentum": numbers(2, 3), "other": 1},
)


def test_copies_begin_as_the_networks_do_and_begin_anew_where_others_came():
    made = method().init(jax.random.key(0), VIEWS, None)
    assert made.params == made.method_state["momentum"] == numbers(2, 3)
    assert made.model_state["momentum"] == numbers(1, 1, "calls")  # as the networks, by init
    adopted = method().adopt(STATE)
    assert adopted.method_state == {"momentum": numbers(5, 7), "other": 1}
    assert adopted.model_state["momentum"] == numbers(10, 10, "calls")
    assert adopted.params is STATE.params


def test_views_pass_the_copies_with_their_own_statistics_and_no_gradient():
    def embeddings(params):
        found = method().embed(STATE._replace(params=params), VIEWS, None)
        return found.embeddings, found.model_state

    (found, state), pull = jax.vjp(embeddings, STATE.params)
    np.testing.assert_array_equal(found["online"], VIEWS["image"] * 35)
    np.testing.assert_array_equal(found["momentum"], VIEWS["image"] * 6)
    assert state == {**numbers(11, 11, "calls"), "momentum": numbers(21, 21, "calls")}
    zeros = jax.tree.map(jnp.zeros_like, state)
    of_online = {"online": jnp.ones((3, 2, 1)), "momentum": jnp.zeros((3, 2, 1))}
    of_copies = {"online": jnp.zeros((3, 2, 1)), "momentum": jnp.ones((3, 2, 1))}
    assert pull((of_online, zeros))[0] == numbers(15 * 7, 15 * 5)
    assert pull((of_copies, zeros))[0] == numbers(0, 0)


def test_copies_have_dropout_of_their_own():
    keys = jax.random.split(jax.random.key(0), 3)
    found = method().embed(STATE, VIEWS, keys).embeddings
    online, copies = found["online"] - VIEWS["image"] * 35, found["momentum"] - VIEWS["image"] * 6
    assert len(np.unique([online, copies])) == 12


@pytest.mark.parametrize(
    ("options", "decay"),
    [
        ({"decay": 0.0}, lambda t: 0.0),
        ({"decay": 1.0}, lambda t: 1.0),
        ({"decay": 0.9}, lambda t: 0.9),
        (
            {"decay": 0.9, "decay_end": 1.0},
            lambda t: 1 - (1 - 0.9) * (1 + math.cos(math.pi * t / 8)) / 2,
        ),
        ({"decay": 1.0, "decay_end": 0.0}, lambda t: (1 + math.cos(math.pi * t / 8)) / 2),
    ],
    ids=["copied", "held", "constant", "rising", "falling"],
)
def test_copies_follow_at_the_decay_of_the_step(options, decay):
    for step in (0, 3, 8):
        moved = method(**options).after_update(STATE, {}, Clock(step, 4, 8))
        m = decay(step)
        expected = {"encoder": {"w": m * 2 + (1 - m) * 5}, "projector": {"w": m * 3 + (1 - m) * 7}}
        assert largest_difference(moved.method_state, {"momentum": expected, "other": 1}) < 1e-6
        assert moved.params is STATE.params
        assert moved.model_state is STATE.model_state


def test_a_decay_outside_its_range_is_refused():
    for options in ({"decay": -0.1}, {"decay": 0.9, "decay_end": 1.1}):
        with pytest.raises(UserError, match=r"method\.decay\w*=\S+ is impossible: it lies between"):
            method(**options)
