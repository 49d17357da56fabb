"""A batch embedded in chunks: less memory, and the same step where networks see examples alone."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.data.dataset_shape import images_of
from jcl.errors import UserError
from jcl.experiment import make_experiment
from jcl.mesh import check_even_split, make_mesh
from jcl.methods.base import Embedded, Outcome
from jcl.training.microbatches import loss_and_gradient
from jcl.training.step import compile_train_step
from tests.tiny import largest_difference, one_device, tiny_config, train
from tests.training.test_parity import mesh_of

# LayerNorm alone: an example does not see the others.
APART = {
    "precision": "float64",
    "total_steps": 3,
    "encoder.name": "vit_ti",
    "encoder.widths": None,
    "encoder.width": 8,
    "encoder.depth": 1,
    "encoder.heads": 2,
    "encoder.patch_size": 4,
    "projector.norm": "layer",
}
TOGETHER = {"precision": "float64", "total_steps": 3}


def assert_same(ours, theirs):
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=0, atol=1e-9)
    kept = [(s.params, s.model_state, s.method_state) for s in (ours.state, theirs.state)]
    finite = jax.tree.map(lambda x: jnp.where(jnp.isneginf(x), 0, x), kept)  # never visited
    assert largest_difference(*finite) < 1e-9
    for name in theirs.metrics[0]:
        values = ([m[name] for m in run.metrics] for run in (ours, theirs))
        np.testing.assert_allclose(*values, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize(
    ("method", "microbatches", "layout"),
    [
        ("simclr", 4, (2, 1, [1, 0])),
        pytest.param("simclr", 16, (1, 1, [0]), marks=pytest.mark.slow),
        pytest.param("sogclr", 4, (2, 1, [1, 0]), marks=pytest.mark.slow),
        pytest.param("sogclr", 16, (1, 1, [0]), marks=pytest.mark.slow),
    ],
)
def test_same_as_one_pass(method, microbatches, layout):
    with jax.enable_x64(True):
        config = tiny_config(
            **APART, **{"method.name": method, "frozen": ("encoder/patch_embedding",)}
        )
        one_pass = train(config, one_device())
        config.microbatches = microbatches
        assert_same(train(config, mesh_of(*layout)), one_pass)
    assert np.ptp(one_pass.losses) > 1e-3


@pytest.mark.slow
def test_batch_norm_sees_a_chunk_which_is_the_same_on_any_mesh():
    with jax.enable_x64(True):
        config = tiny_config(**TOGETHER)
        one_pass = train(config, one_device())
        config.microbatches = 2
        chunked = train(config, one_device())
        assert_same(train(config, mesh_of(4, 2, [0, 4, 1, 5, 2, 6, 3, 7])), chunked)
    assert largest_difference(chunked.state.model_state, one_pass.state.model_state) > 1e-4


@dataclasses.dataclass
class Recorder:
    """Networks that are y = w x, whose state counts and whose extra loss is w^2 x."""

    def embed(self, params, model_state, x):
        y = params["w"] * x
        return Embedded(y, {"extra": params["w"] ** 2 * x * model_state}, model_state + 1.0)

    def objective(self, params, y):
        # Over all pairs, with a parameter that no network has.
        return Outcome(params["v"] * jnp.sum(y[:, None] * y**2), {}, {})


@pytest.mark.parametrize("microbatches", [1, 2, 4])
def test_extra_losses_states_and_the_objectives_own_parameters_by_hand(microbatches):
    x = np.array([1.0, -2.0, 0.5, 3.0])
    with jax.enable_x64(True):
        loss, gradient, outcome, model_state = loss_and_gradient(
            Recorder().embed,
            Recorder().objective,
            {"w": jnp.float64(1.5), "v": jnp.float64(0.7)},
            jnp.float64(1.0),
            jnp.asarray(x),
            microbatches=microbatches,
            mesh=None,
        )
    # Chunk k, the examples k, k + K, ..., is embedded with a state of 1 + k.
    seen = 1.0 + np.arange(4) % microbatches
    cubic = x.sum() * (x**2).sum()
    np.testing.assert_allclose(outcome.metrics["extra"], 1.5**2 * np.mean(x * seen))
    np.testing.assert_allclose(loss, 0.7 * 1.5**3 * cubic + 1.5**2 * np.mean(x * seen))
    np.testing.assert_allclose(gradient["v"], 1.5**3 * cubic)
    np.testing.assert_allclose(
        gradient["w"], 3 * 0.7 * 1.5**2 * cubic + 2 * 1.5 * np.mean(x * seen)
    )
    np.testing.assert_allclose(model_state, 1.0 + microbatches)


@pytest.mark.parametrize("devices", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_activations_take_a_share(devices):
    def temporary(microbatches):
        config = tiny_config(
            **{
                "batch_size": 512,
                "microbatches": microbatches,
                "encoder.widths": (16, 32),
            }
        )
        mesh = make_mesh(devices=jax.devices()[:devices])
        experiment = make_experiment(config, images_of(32, 32, 3, examples=512))
        state = experiment.state_shapes(mesh)
        step = compile_train_step(state, mesh=mesh, **experiment.step_options())
        program = step.lower(state, experiment.data.batch(512)).compile(
            compiler_options={"xla_backend_optimization_level": 0}
        )
        return program.memory_analysis().temp_size_in_bytes

    assert temporary(8) < temporary(1) / 5


def test_a_batch_that_does_not_divide():
    with pytest.raises(
        UserError, match=r"^A batch of 16 does not divide by the 8 devices of the me"
    ):
        check_even_split(16, make_mesh(), microbatches=4)
