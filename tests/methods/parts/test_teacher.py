"""A tiny distillation: another run's networks are what its own features are compared with."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jcl
from jcl.errors import UserError
from jcl.experiment import make_method, open_config, read_command_line, resolved_options
from jcl.methods.base import Outcome, Variables
from jcl.methods.parts.teacher import Teacher
from jcl.methods.parts.two_view import TwoViewNetworks
from jcl.runtime.workdir import write_config
from jcl.training.checkpoint import Checkpoints
from tests.tiny import assert_same_bits, one_device, tiny_config, tiny_experiment, train


@dataclasses.dataclass(frozen=True)
class Distilled(TwoViewNetworks):
    """The features of the first view shall be the teacher's."""

    teacher: Teacher

    def init(self, key, views, data):
        made = super().init(key, views, data)
        return made._replace(method_state={"teacher": self.teacher.variables})

    def embed(self, variables, views, keys):
        embedded = super().embed(variables, views, keys)
        kept = variables.method_state["teacher"]
        told = self.teacher.outputs(kept, {"image": views["image"][:, 0]})
        return embedded._replace(embeddings=(embedded.embeddings[:, 0], told["features"]))

    def objective(self, variables, embeddings, batch, clock, key, mesh):
        mine, told = embeddings
        return Outcome(jnp.mean((mine - told) ** 2), {"told": jnp.mean(told)}, {})


NAME = f"{__name__}:Distilled"
ENCODER = {"name": "tests.methods.contract:Normalised"}  # fast to compile


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A workdir of a run with labels and an average of its weights, which nothing is like."""
    workdir = tmp_path_factory.mktemp("teacher")
    config = tiny_config(**{"method.name": "cross_entropy", "optimizer.weight_ema": 0.9})
    config.encoder, config.views = ENCODER, {"name": "none"}
    config.method = {"name": "cross_entropy"}
    state = tiny_experiment(config).init_state(one_device())
    state = state.replace(
        ema_params=jax.tree.map(lambda leaf: leaf + 0.1, state.params),
        model_state=jax.tree.map(lambda leaf: leaf - 0.3, state.model_state),
    )
    with Checkpoints(workdir, keep=1) as checkpoints:
        checkpoints.save(state.replace(step=jnp.int32(3)), 3)
    write_config(workdir, config)
    return str(workdir), state


def distilling(workdir, **overrides):
    config = tiny_config(
        **{
            "total_steps": 2,
            "views.name": "none",
            "projector.output_dim": 12,
            "method.name": NAME,
            "teacher.workdir": workdir,
            **overrides,
        }
    )
    config.encoder, config.method = ENCODER, {"name": NAME}
    return config


@pytest.fixture(scope="module")
def curve(teacher):
    return train(distilling(teacher[0], **{"optimizer.weight_decay": 0.5}), one_device())


def test_a_teacher_is_kept_as_it_was_and_says_what_its_run_says(teacher, curve):
    workdir, state = teacher
    kept = curve.state.method_state["teacher"]
    assert_same_bits(kept, {"params": state.ema_params, "model_state": state.model_state})
    assert curve.losses[1] < curve.losses[0]
    # Nothing of the optimizer stands for it, nor is it among what is trained.
    own = sum(leaf.size for leaf in jax.tree.leaves(curve.state.params))
    assert sum(x.size for x in jax.tree.leaves(curve.state.opt_state) if x.ndim) == 2 * own
    images = np.random.RandomState(1).randint(0, 256, (4, 8, 8, 3), np.uint8)
    features, variables = jcl.load(workdir)
    made = make_method(open_config(distilling(workdir))).teacher
    told = jax.jit(made.outputs)(kept, {"image": images / np.float32(255)})
    np.testing.assert_allclose(told["features"], features(variables, images), rtol=1e-5, atol=1e-6)
    assert np.ptp(told["features"]) > 0.1
    assert told["prediction"].shape == (4, 4)


def test_no_gradient_reaches_a_teacher(teacher):
    made = make_method(open_config(distilling(teacher[0]))).teacher
    image = jnp.linspace(0, 1, 192).reshape(1, 8, 8, 3)

    def total(variables, image):
        return made.outputs(variables, {"image": image})["features"].sum()

    gradient = jax.jit(jax.grad(total, argnums=(0, 1)))(made.variables, image)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient))

    def unstopped(variables):
        return made.method.outputs(Variables(**variables), {"image": image})["features"].sum()

    gradient = jax.jit(jax.grad(unstopped))(made.variables)
    assert any(np.any(leaf) for leaf in jax.tree.leaves(gradient))


def test_features_are_computed_where_the_teacher_is_gone(curve, tmp_path):
    """The checkpoint has all of it, and a method touches no disk before it is asked to."""
    gone = tmp_path / "gone"
    config = open_config(distilling(str(gone)))
    method = make_method(config)
    workdir = tmp_path / "run"
    workdir.mkdir()
    with Checkpoints(workdir, keep=1) as checkpoints:
        checkpoints.save(curve.state, 2)
    write_config(workdir, config)
    features, variables = jcl.load(workdir)
    images = np.zeros((2, 8, 8, 3), np.uint8)
    assert jax.eval_shape(features, variables, images).shape == (2, 12)
    assert_same_bits(variables["method_state"]["teacher"], curve.state.method_state["teacher"])
    with pytest.raises(UserError, match=f"{gone} is not a workdir of jcl"):
        _ = method.teacher.method
    with pytest.raises(UserError, match=f"{gone} holds no checkpoint"):
        tiny_experiment(config).state_shapes(one_device())


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"teacher.workdir": None}, "learns from another run: set teacher.workdir"),
        (
            {"method.name": "simclr"},
            "teacher.workdir='x' is set, but method.name='simclr' takes no",
        ),
    ],
)
def test_a_teacher_and_a_method_that_takes_one_go_together(overrides, says):
    config = distilling("x", **overrides)
    config.method = {"name": overrides.get("method.name", NAME)}
    with pytest.raises(UserError) as caught:
        open_config(config)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_command_line_that_names_another_method_drops_the_teacher():
    assert resolved_options(open_config(distilling("x")))["teacher.workdir"] == "x"
    config, _, lines = read_command_line(distilling("x"), ["--config.method.name=simclr"])
    assert config.teacher.workdir is None
    assert "teacher.workdir of the config file: dropped with what simclr replaces" in lines
    assert "teacher.workdir" not in resolved_options(config)
