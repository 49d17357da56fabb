"""A queue of momentum keys, with networks of one number each."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.methods.clock import Clock
from jcl.methods.parts.queued import MomentumQueue
from tests.methods.parts.test_momentum import STATE, Factor, numbers
from tests.tiny import largest_difference

CLOCK = Clock(3, 4, 8)


@dataclasses.dataclass(frozen=True)
class Summing(MomentumQueue):
    """Its loss tells what it was given."""

    def loss(self, queries, keys, queue, clock, key, mesh):
        return queries.sum() + 10 * keys.sum() + 100 * queue.sum() + 1000 * clock.step


def method(**options):
    return Summing(encoder=Factor(2.0), projector=Factor(3.0), **{"queue_size": 6, **options})


VIEWS = {"image": jnp.arange(1.0, 13).reshape(3, 2, 2)}
QUEUE = {"rows": jnp.tile(jnp.array([[0.6, 0.8]]), (6, 1)), "position": jnp.int32(3)}
# Networks of 5 and 7, their copies of 2 and 3.
FILLED = STATE._replace(method_state={"momentum": numbers(2, 3), "queue": QUEUE})


def test_it_begins_with_copies_and_a_queue_as_wide_as_the_embeddings():
    made = method().init(jax.random.key(0), VIEWS, None)
    assert made.params == made.method_state["momentum"] == numbers(2, 3)
    queue = made.method_state["queue"]
    assert queue["rows"].shape == (6, 2)
    assert queue["position"] == 0
    np.testing.assert_allclose(np.linalg.norm(queue["rows"], axis=1), 1, rtol=1e-6)


def test_view_0_passes_the_networks_and_view_1_the_copies():
    def embeddings(params):
        found = method().embed(FILLED._replace(params=params), VIEWS, None)
        return found.embeddings, found.model_state

    (found, state), pull = jax.vjp(embeddings, FILLED.params)
    np.testing.assert_array_equal(found["query"], VIEWS["image"][:, 0] * 35)
    np.testing.assert_array_equal(found["key"], VIEWS["image"][:, 1] * 6)
    assert state == {**numbers(11, 11, "calls"), "momentum": numbers(21, 21, "calls")}
    zeros = jax.tree.map(jnp.zeros_like, (found, state))
    of_keys = {**zeros[0], "key": jnp.ones((3, 2))}
    assert pull((of_keys, zeros[1]))[0] == numbers(0, 0)


@pytest.mark.parametrize(
    ("views", "made"),
    [
        ({"image": jnp.ones((3, 4, 2))}, "4 of 'image'"),
        ({"image": jnp.ones((3, 2, 2)), "image_small": jnp.ones((3, 3, 1))}, "2 of .* and 3 of "),
    ],
    ids=["four", "small ones"],
)
def test_other_numbers_of_views_are_refused(views, made):
    with pytest.raises(UserError, match=rf"takes two views .* makes {made}"):
        method().embed(FILLED, views, None)


def test_the_objective_sees_the_queue_without_the_batch_s_keys():
    q, k = VIEWS["image"][:, 0], VIEWS["image"][:, 1]
    outcome = method().objective(FILLED, {"query": q, "key": k}, {}, CLOCK, jax.random.key(0), None)
    expected = q.sum() + 10 * k.sum() + 100 * 6 * 1.4 + 3000
    np.testing.assert_allclose(outcome.loss, expected, rtol=1e-6)
    cosines = (q * k).sum(1) / np.linalg.norm(q, axis=1) / np.linalg.norm(k, axis=1)
    np.testing.assert_allclose(outcome.metrics["positive_similarity"], cosines.mean(), rtol=1e-6)
    np.testing.assert_array_equal(outcome.carry["keys"], k)


@pytest.mark.parametrize("decay", [1.0, 0.0, 0.75])
def test_after_the_update_copies_follow_and_the_oldest_keys_go(decay):
    keys = VIEWS["image"][:, 1]
    after = method(decay=decay).after_update(FILLED, {"keys": keys}, CLOCK)
    mixed = [decay * old + (1 - decay) * new for old, new in ((2, 5), (3, 7))]
    assert largest_difference(after.method_state["momentum"], numbers(*mixed)) < 1e-6
    if decay == 1:
        assert after.method_state["momentum"] == numbers(2, 3)
    unit = keys / np.linalg.norm(keys, axis=1, keepdims=True)
    rows = after.method_state["queue"]["rows"]
    np.testing.assert_allclose(rows, np.concatenate([QUEUE["rows"][:3], unit]), rtol=1e-6)
    assert after.method_state["queue"]["position"] == 0
    assert after.params is FILLED.params


@pytest.mark.parametrize("batch", [4, 12])
def test_a_queue_that_does_not_divide_by_the_batch_is_refused(batch):
    embeddings = dict.fromkeys(("query", "key"), jnp.ones((batch, 2)))
    match = rf"^method\.queue_size=6 is impossible with batch_size={batch}: .* multiple of"
    with pytest.raises(UserError, match=match):
        method().objective(FILLED, embeddings, {}, CLOCK, jax.random.key(0), None)


@pytest.mark.parametrize("size", [0, -64, 64.0])
def test_an_impossible_size_is_refused(size):
    with pytest.raises(UserError, match=rf"^method\.queue_size={size} is impossible: it must be"):
        method(queue_size=size)
