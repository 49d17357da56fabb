"""What the step reports and does besides the loss, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.optim.optimizers import adamw, make_optimizer
from jcl.training.step import train_step
from tests.tiny import largest_difference, one_device, tiny_config, tiny_experiment, train


def test_diagnostics_against_all_pairs():
    z0, z1 = jax.random.normal(jax.random.key(0), (2, 7, 5)) + 0.3
    reported = two_view_diagnostics(z0, z1)
    z = np.concatenate([z0, z1]).astype(np.float64)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    cosines = z @ z.T
    pairs = [(i, j) for i in range(14) for j in range(14) if i != j]
    positive = [cosines[i, j] for i, j in pairs if abs(i - j) == 7]
    negative = [cosines[i, j] for i, j in pairs if abs(i - j) != 7]
    np.testing.assert_allclose(reported["positive_similarity"], np.mean(positive), rtol=1e-5)
    np.testing.assert_allclose(reported["negative_similarity"], np.mean(negative), rtol=1e-4)
    np.testing.assert_allclose(reported["embedding_spread"], z.std(0).mean() * 5**0.5, rtol=1e-5)
    collapsed = two_view_diagnostics(jnp.ones((4, 3)), jnp.ones((4, 3)))
    np.testing.assert_allclose(collapsed["embedding_spread"], 0, atol=1e-3)


def test_diagnostics_of_a_batch_whose_pairs_no_int32_counts():
    z = jax.ShapeDtypeStruct((32768, 4), jnp.float32)
    assert jax.eval_shape(two_view_diagnostics, z, z)["negative_similarity"].shape == ()


def test_weight_ema_is_the_running_average_of_the_parameters():
    config = tiny_config(**{"optimizer.weight_ema": 0.75, "total_steps": 3})
    seen = []
    state = train(
        config, one_device(), watch=lambda s: seen.append(jax.tree.map(np.array, s.params))
    ).state
    average = seen[0]
    for params in seen[1:]:
        average = jax.tree.map(lambda a, p: 0.75 * a + 0.25 * p, average, params)
    assert largest_difference(state.ema_params, average) < 1e-6
    assert largest_difference(state.ema_params, state.params) > 1e-4
    assert state.probed.params is state.ema_params


def test_clipping_scales_the_whole_gradient_to_the_norm():
    gradient = {"a": jnp.array([3.0, 0.0]), "b": jnp.array([[4.0]])}
    for clip, scale in ((1.0, 0.2), (10.0, 1.0)):
        config = tiny_config(
            **{
                "optimizer.name": "sgd",
                "optimizer.momentum": 0.0,
                "optimizer.gradient_clip_norm": clip,
            }
        )
        optimizer = make_optimizer(config, optax.constant_schedule(1.0))
        updates, _ = optimizer.update(gradient, optimizer.init(gradient), gradient)
        expected = jax.tree.map(lambda g, s=scale: -s * g, gradient)
        assert largest_difference(updates, expected) < 1e-6


def test_adamw_against_the_formula_decays_matrices_only():
    params = {"kernel": jnp.array([[2.0]]), "bias": jnp.array([2.0])}
    gradient = {"kernel": jnp.array([[0.5]]), "bias": jnp.array([0.5])}
    optimizer = adamw(learning_rate=optax.constant_schedule(0.1), weight_decay=0.3)
    updates, _ = optimizer.update(gradient, optimizer.init(params), params)
    # After one step both moments are unbiased: m / sqrt(v) is the sign of the gradient.
    np.testing.assert_allclose(updates["bias"], [-0.1], rtol=1e-5)
    np.testing.assert_allclose(updates["kernel"], [[-0.1 * (1 + 0.3 * 2.0)]], rtol=1e-5)


def test_another_seed_draws_other_views_and_parameters():
    first, other = (
        train(tiny_config(total_steps=1, seed=seed, **{"views.name": "weak"}), one_device())
        for seed in (0, 1)
    )
    assert abs(first.losses[0] - other.losses[0]) > 1e-5


def test_the_same_batch_gets_other_views_at_another_step_and_position():
    experiment, drawn = tiny_experiment(tiny_config()), []
    state = experiment.state_shapes(one_device())

    class Enough(Exception):
        """What comes after the views takes long where nothing is compiled."""

    def spy(keys, examples):
        drawn.append(np.asarray(jax.random.key_data(keys)))
        raise Enough

    batch = {"image": jnp.zeros((4, 8, 8, 3), jnp.uint8), "index": jnp.arange(4)}
    for step in (0, 0, 1):
        with pytest.raises(Enough):
            train_step(
                state.replace(step=jnp.int32(step)),
                batch,
                **{**experiment.step_options(), "make_views": spy},
            )
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert len(np.unique(np.concatenate([drawn[0], drawn[2]]), axis=0)) == 8
