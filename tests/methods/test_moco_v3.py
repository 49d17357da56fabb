"""MoCo v3 against NumPy, and its cost against a count by hand."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.cost import hlo
from jcl.cost.flops import count_flops
from jcl.cost.hlo_flops import count_instruction
from jcl.cost.hlo_trips import count_runs
from jcl.data.order import batch_indices
from jcl.losses import query_key_nce
from jcl.plan import step_flops
from jcl.training.step import compile_train_step
from tests.tiny import (
    largest_difference,
    one_device,
    tiny_config,
    tiny_experiment,
    tiny_source,
    train,
)

TEMPERATURE = 0.2


def config(**overrides):
    return tiny_config(
        **{
            "total_steps": 4,
            "encoder.name": "mlp",
            "encoder.widths": (16,),
            "encoder.activation": "tanh",
            "projector.hidden_dim": 12,
            "predictor.hidden_dim": 10,
            "views.name": "tests.tiny:mirrored",
            "method.name": "moco_v3",
            "method.temperature": TEMPERATURE,
            "optimizer.name": "sgd",
            "optimizer.momentum": 0.0,
            "optimizer.weight_decay": 0.0,
            **overrides,
        }
    )


# The networks again, in NumPy.


def normalised(x, parameters):
    x = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
    return x * parameters["scale"] + parameters["bias"]


def head(x, p):
    x = np.maximum(normalised(x @ p["dense0"]["kernel"], p["batch_norm0"]), 0)
    return x @ p["dense1"]["kernel"] + p["dense1"]["bias"]


def projections(x, p):
    """Of rows [2B, pixels], and what the encoder's BatchNorm saw."""
    seen = x @ p["encoder"]["layer0"]["kernel"]
    return head(np.tanh(normalised(seen, p["encoder"]["norm0"])), p["projector"]), seen


def unit(z):
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def cross_entropy(q, k):
    logits = unit(q) @ unit(k).T / TEMPERATURE
    return np.mean(np.log(np.exp(logits).sum(1)) - np.diag(logits))


def formula(params, copies, rows):
    """2 t (CE(q1, K2) + CE(q2, K1)); rows are of view 0 and 1 of each example in turn."""
    q = head(projections(rows, params)[0], params["predictor"])
    k = projections(rows, copies)[0]
    return 2 * TEMPERATURE * (cross_entropy(q[::2], k[1::2]) + cross_entropy(q[1::2], k[::2]))


def rows_of(step):
    images = tiny_source().arrays["image"][batch_indices(step, n=64, batch_size=16, seed=0)]
    return np.stack([images, images[:, :, ::-1]], axis=1).reshape(32, -1) / 255.0


@functools.cache
def seen_states():
    """Three of the run's four steps, in float64, and the state around each."""
    states = []
    with jax.enable_x64(True):
        shorter = config(precision="float64", **{"method.decay": 0.7, "total_steps": 3})
        watch = lambda state: states.append(jax.tree.map(np.array, state))  # noqa: E731
        curve = train(shorter, one_device(), watch=watch)
    return curve, states


def test_losses_of_three_steps_against_numpy():
    curve, states = seen_states()
    for step, state in enumerate(states[:-1]):
        expected = formula(state.params, state.method_state["momentum"], rows_of(step))
        np.testing.assert_allclose(curve.losses[step], expected, rtol=0, atol=1e-12)


def test_only_the_networks_get_a_gradient():
    curve, states = seen_states()
    random = np.random.RandomState(0)
    for step, (before, after) in enumerate(itertools.pairwise(states)):
        rate = curve.metrics[step]["learning_rate"]
        gradient = jax.tree.map(lambda a, b, r=rate: (b - a) / r, after.params, before.params)
        direction = jax.tree.map(lambda x: random.normal(size=x.shape), before.params)

        def loss(distance, before=before, direction=direction, step=step):
            moved = jax.tree.map(lambda x, d: x + distance * d, before.params, direction)
            return formula(moved, before.method_state["momentum"], rows_of(step))

        slope = (loss(1e-7) - loss(-1e-7)) / 2e-7  # farther, a ReLU may switch
        products = jax.tree.map(lambda g, d: (g * d).sum(), gradient, direction)
        np.testing.assert_allclose(sum(jax.tree.leaves(products)), slope, rtol=1e-6)


def test_the_copies_and_their_statistics_follow_by_a_cosine():
    curve, states = seen_states()
    for step, (before, after) in enumerate(itertools.pairwise(states)):
        decay = 1 - (1 - 0.7) * (1 + math.cos(math.pi * step / 3)) / 2
        np.testing.assert_allclose(curve.metrics[step]["decay"], decay, rtol=1e-12)
        copies = before.method_state["momentum"]
        expected = {
            name: jax.tree.map(
                lambda k, p, m=decay: m * k + (1 - m) * p, copies[name], after.params[name]
            )
            for name in ("encoder", "projector")
        }
        assert largest_difference(after.method_state["momentum"], expected) < 1e-14
        seen = projections(rows_of(step), copies)[1]
        old, new = (s.model_state["momentum"]["encoder"]["norm0"] for s in (before, after))
        np.testing.assert_allclose(new["mean"], 0.9 * old["mean"] + 0.1 * seen.mean(0), atol=1e-12)
        np.testing.assert_allclose(new["var"], 0.9 * old["var"] + 0.1 * seen.var(0), atol=1e-12)
    online = states[-1].model_state["encoder"]["norm0"]["mean"]
    assert np.abs(online - new["mean"]).max() > 1e-4


def by_hand():
    """Operations of one forward pass of the networks and of the copies, and of the loss."""
    rows, widths = 2 * 16, (192, 16, 12, 8, 10, 8)
    passes = [2 * rows * m * n for m, n in itertools.pairwise(widths)]
    z = jax.ShapeDtypeStruct((16, 8), jnp.float32)
    loss = jax.value_and_grad(lambda q, k: query_key_nce(q, k, temperature=TEMPERATURE))
    diagnostics = 2 * 8  # an inner product
    return passes, sum(passes[:3]), 2 * count_flops(loss, z, z) + diagnostics


def test_copies_cost_a_forward_pass_and_no_more():
    passes, copies, rest = by_hand()
    unneeded = passes[0]  # the gradient of the images
    experiment = tiny_experiment(config())
    found = step_flops(experiment, one_device(), experiment.data.batch(16))
    assert found == 3 * sum(passes) - unneeded + copies + rest


@pytest.mark.slow
def test_microbatches_do_not_pass_the_copies_again():
    """The jaxpr says that they do; what is compiled leaves out what no gradient needs."""
    passes, copies, rest = by_hand()
    experiment = tiny_experiment(config(microbatches=2))
    batch, mesh = experiment.data.batch(16), one_device()
    again = 4 * sum(passes) - passes[0] + rest
    assert step_flops(experiment, mesh, batch) == again + 2 * copies
    state = experiment.state_shapes(mesh)
    step = compile_train_step(state, mesh=mesh, **experiment.step_options())
    program = hlo.parse(step.lower(state, batch).compile().as_text())
    compiled = sum(
        times * count_instruction(program.computations[name], instruction)
        for name, times in count_runs(program).total.items()
        for instruction in program.computations[name].values()
        if instruction.opcode == "dot"
    )
    # Nor does it repeat the last layer, whose output is known; small products become sums.
    assert again - passes[-1] + copies - rest <= compiled <= again - passes[-1] + copies
