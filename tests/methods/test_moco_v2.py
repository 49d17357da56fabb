"""MoCo v2 against NumPy: the losses of some steps, and what the queue then holds."""

import functools
import itertools

import jax
import numpy as np
import pytest

from jcl.data.order import batch_indices
from jcl.errors import UserError
from jcl.experiment import make_method, open_config
from jcl.mesh import make_mesh
from jcl.methods.clock import Clock
from tests.methods.test_moco_v3 import projections, unit
from tests.tiny import largest_difference, one_device, tiny_config, tiny_experiment, tiny_source
from tests.tiny import train as train_tiny

TEMPERATURE, BATCH, QUEUE, STEPS = 0.2, 16, 32, 5


def config(**overrides):
    return tiny_config(
        **{
            "total_steps": STEPS,
            "encoder.name": "mlp",
            "encoder.widths": (16,),
            "encoder.activation": "tanh",
            "projector.hidden_dim": 12,
            "views.name": "tests.tiny:mirrored",
            "method.name": "moco_v2",
            "method.temperature": TEMPERATURE,
            "method.queue_size": QUEUE,
            "method.decay": 0.7,
            "optimizer.name": "sgd",
            "optimizer.momentum": 0.0,
            **overrides,
        }
    )


def views_of(step):
    """The images of a step's batch, and their mirror images: rows [B, pixels] of either."""
    index = batch_indices(step, n=64, batch_size=BATCH, seed=0)
    images = tiny_source().arrays["image"][index] / 255.0
    return images.reshape(BATCH, -1), images[:, :, ::-1].reshape(BATCH, -1)


def cross_entropy(q, k, queue):
    own, others = (unit(q) * unit(k)).sum(1, keepdims=True), unit(q) @ queue.T
    logits = np.concatenate([own, others], axis=1) / TEMPERATURE
    return np.mean(np.log(np.exp(logits).sum(1)) - logits[:, 0])


@functools.cache
def seen_states(devices):
    """The losses of the run in float64, and the state around each step."""
    states = []
    mesh = one_device() if devices == 1 else make_mesh(4, 2)
    split = {} if devices == 1 else {"fsdp_min_size": 1}  # the queue lies in two parts
    with jax.enable_x64(True):
        run = config(precision="float64", **split)
        curve = train_tiny(run, mesh, watch=lambda s: states.append(jax.tree.map(np.array, s)))
    return curve.losses, states


@pytest.mark.parametrize("devices", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_losses_and_the_queue_against_numpy(devices):
    losses, states = seen_states(devices)
    queue = states[0].method_state["queue"]["rows"]
    np.testing.assert_allclose(np.linalg.norm(queue, axis=1), 1, rtol=1e-12)
    pushed = []
    for step, (before, after) in enumerate(itertools.pairwise(states)):
        first, second = views_of(step)
        copies = before.method_state["momentum"]
        q, k = projections(first, before.params)[0], projections(second, copies)[0]
        expected = cross_entropy(q, k, queue)
        np.testing.assert_allclose(losses[step], expected, rtol=0, atol=1e-11)
        pushed.append(unit(k))
        queue = after.method_state["queue"]["rows"]
        moved = {
            name: jax.tree.map(lambda k, p: 0.7 * k + 0.3 * p, copies[name], after.params[name])
            for name in ("encoder", "projector")
        }
        assert largest_difference(after.method_state["momentum"], moved) < 1e-13
        if len(pushed) >= QUEUE // BATCH:
            # The last keys and nothing else, in the order of the global batch.
            newest = np.concatenate(pushed[-(QUEUE // BATCH) :])
            queue_in_order = np.roll(queue, -after.method_state["queue"]["position"], axis=0)
            np.testing.assert_allclose(queue_in_order, newest, rtol=0, atol=1e-11)


@pytest.mark.slow
def test_the_queue_is_the_same_on_any_mesh():
    (alone, states), (together, others) = seen_states(1), seen_states(8)
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)
    assert largest_difference(others[-1].method_state, states[-1].method_state) < 1e-12


def test_impossible_options_are_refused_before_the_first_step():
    for options, key in (
        ({"queue_size": 0}, r"queue_size=0 is impossible"),
        ({"decay": 1.1}, r"decay=1\.1 is impossible"),
        ({"temperature": 0.0}, r"temperature=0\.0 is impossible"),
    ):
        wrong = config(**{f"method.{name}": value for name, value in options.items()})
        with pytest.raises(UserError, match=rf"^method\.{key}"):
            make_method(open_config(wrong), n_classes=4)
    with pytest.raises(UserError, match=r"^method\.queue_size=40 is impossible with batch_size=16"):
        shape_of_loss(queue_size=40)


def test_a_queue_that_holds_an_epoch_is_said(caplog):
    shape_of_loss(queue_size=48)
    assert not caplog.messages
    shape_of_loss(queue_size=64)
    assert "method.queue_size=64 keys are not fewer than the 64 training examples" in caplog.text


def shape_of_loss(queue_size):
    experiment = tiny_experiment(config(**{"method.queue_size": queue_size}))
    clock = Clock(0, steps_per_epoch=64 // BATCH, total_steps=STEPS)
    jax.eval_shape(
        functools.partial(experiment.method.objective, batch={}, clock=clock, key=None, mesh=None),
        experiment.state_shapes(one_device()),
        dict.fromkeys(("query", "key"), jax.ShapeDtypeStruct((BATCH, 8), np.float32)),
    )
