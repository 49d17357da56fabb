"""A run that starts from others' networks has exactly those, and says what does not fit."""

import jax
import jax.numpy as jnp
import pytest

from jcl.errors import UserError
from jcl.mesh import make_mesh
from jcl.methods.simclr import SimCLR
from jcl.training.checkpoint import Checkpoints
from jcl.training.warm_start import warm_start
from tests.tiny import assert_same_bits, one_device, tiny_config, tiny_experiment


def new_state(**overrides):
    return tiny_experiment(tiny_config(**overrides)).init_state(one_device())


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A workdir with checkpoints 1 and 2, whose every leaf differs, and the states in them."""
    workdir = tmp_path_factory.mktemp("source")
    checkpoints = Checkpoints(workdir, keep=2)
    state, states = new_state(**{"optimizer.weight_ema": 0.9}), {}
    for step in (1, 2):
        state = jax.tree.map(lambda leaf: leaf + 1 if leaf.ndim else leaf, state)
        state = state.replace(
            step=jnp.int32(step), ema_params=jax.tree.map(lambda leaf: 2 * leaf, state.params)
        )
        checkpoints.save(state, step)
        states[step] = state
    checkpoints.close()
    return str(workdir), states


@pytest.fixture(scope="module")
def other(tmp_path_factory, source):
    """A workdir with checkpoint 3, and the state in it."""
    workdir = tmp_path_factory.mktemp("other")
    state = jax.tree.map(lambda leaf: 3 * leaf if leaf.ndim else leaf, source[1][2])
    state = state.replace(step=jnp.int32(3), ema_params={})
    with Checkpoints(workdir, keep=1) as checkpoints:
        checkpoints.save(state, 3)
    return str(workdir), state


def test_everything_takes_what_probes_see_and_nothing_of_the_optimizer(source):
    workdir, states = source
    saved, before = states[2], new_state(seed=1)
    after, origins = warm_start(before, workdir)
    assert origins == [{"workdir": workdir, "step": 2, "part": "everything"}]
    assert_same_bits(after.params, saved.ema_params)
    assert_same_bits(after.model_state, saved.model_state)
    assert_same_bits(after.opt_state, before.opt_state)
    assert int(after.step) == 0
    assert after.ema_params == {}


def test_an_earlier_step_and_the_encoder_alone(source):
    workdir, states = source
    saved = states[1]
    before = new_state(seed=1, **{"projector.hidden_dim": 12, "optimizer.weight_ema": 0.5})
    after, origins = warm_start(before, (("encoder", workdir),), step=1)
    assert origins == [{"workdir": workdir, "step": 1, "part": "encoder"}]
    assert_same_bits(after.params["encoder"], saved.ema_params["encoder"])
    assert_same_bits(after.model_state["encoder"], saved.model_state["encoder"])
    assert_same_bits(after.params["projector"], before.params["projector"])
    assert_same_bits(after.model_state["projector"], before.model_state["projector"])
    assert_same_bits(after.ema_params, after.params)


def test_it_lies_on_the_mesh_of_the_new_run(source):
    workdir, _ = source
    mesh = make_mesh(devices=jax.devices()[:4])
    before = tiny_experiment(tiny_config()).init_state(mesh)
    after, _ = warm_start(before, workdir)
    shardings = [jax.tree.map(lambda leaf: leaf.sharding, state) for state in (before, after)]
    assert shardings[0] == shardings[1]


def test_each_part_is_taken_from_the_first_workdir_that_a_pattern_gives_it(source, other):
    """The running statistics go with the parameters of their names, and the rest stays."""
    (workdir, states), (elsewhere, saved) = source, other
    before = new_state(seed=1)
    pairs = (
        ("encoder/.*_stage0", workdir),
        ("encoder", elsewhere),
        ("projector/dense1", workdir),
    )
    after, origins = warm_start(before, pairs, earlier={workdir: 1, "nowhere": 5})
    assert [(taken["workdir"], taken["step"]) for taken in origins] == [
        (workdir, 1),
        (elsewhere, 3),
        (workdir, 1),
    ]
    for kind in ("params", "model_state"):
        first = states[1].ema_params if kind == "params" else states[1].model_state
        here, second, new = (getattr(state, kind) for state in (after, saved, before))
        for layer, leaves in here["encoder"].items():
            origin = first if layer.endswith("_stage0") else second
            assert_same_bits(leaves, origin["encoder"][layer])
        for layer, leaves in here["projector"].items():
            assert_same_bits(leaves, (first if layer == "dense1" else new)["projector"][layer])
    assert {"batch_norm_stage0", "batch_norm_stage1"} == after.model_state["encoder"].keys()


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ((("encoder/(", "x"),), "init_from: 'encoder/(' is not a regular expression"),
        ((("momentum", "x"),), "init_from: 'momentum' matches nothing that another does not take"),
        ((("encoder", "x"), ("encoder/.*", "x")), "'encoder/.*' matches nothing that another"),
    ],
)
def test_patterns_that_take_nothing_are_named(source, pairs, says):
    with pytest.raises(UserError) as caught:
        warm_start(new_state(), tuple((pattern, source[0]) for pattern, _ in pairs))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "part", "says"),
    [
        ({"projector.hidden_dim": 12}, None, ["of another shape", "projector/dense0"]),
        (
            {"encoder.widths": (4, 8, 8)},
            "encoder",
            [
                "5 missing there: ",
                "params/encoder/conv_stage2/kernel",
                "model_state/encoder/batch_norm_stage2/mean",
            ],
        ),
        (
            {"encoder.widths": (4,)},
            "encoder",
            ["5 extra there: ", "params/encoder/conv_stage1/kernel"],
        ),
    ],
)
def test_missing_extra_and_misshapen_names_are_listed(source, overrides, part, says):
    workdir, _ = source
    with pytest.raises(UserError) as caught:
        warm_start(new_state(**overrides), workdir if part is None else ((part, workdir),))
    for words in says:
        assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_step_that_is_not_there_is_named(source):
    with pytest.raises(UserError, match="no checkpoint of step 7; there are: 1, 2"):
        warm_start(new_state(), source[0], step=7)


class Keeping(SimCLR):
    """Keeps a copy of its networks, as methods with momentum encoders do."""

    def init(self, key, views, data):
        return self.adopt(super().init(key, views, data))

    def adopt(self, variables):
        return variables._replace(method_state=jax.tree.map(jnp.copy, variables.params))


def test_what_a_method_derives_from_its_networks_follows_them(source):
    workdir, states = source
    experiment = tiny_experiment(tiny_config(**{"method.name": f"{__name__}:Keeping"}))
    state = experiment.init_state(one_device())
    assert_same_bits(state.method_state, state.params)
    state, _ = warm_start(state, workdir)
    state = experiment.adopt(state)
    assert_same_bits(state.method_state, states[2].ema_params)


def test_a_float64_checkpoint_is_not_called_damaged(tmp_path):
    with jax.enable_x64(True):
        checkpoints = Checkpoints(tmp_path, keep=1)
        checkpoints.save(new_state(precision="float64"), 1)
        checkpoints.close()
    with pytest.raises(UserError, match="holds float64, and this process has float32"):
        warm_start(new_state(), str(tmp_path))
