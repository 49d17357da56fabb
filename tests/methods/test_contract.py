"""The contract of every method that a config can name; a new method needs no test of its own here.

A method that needs more than two views of an image adds a line to `tests.methods.contract`.
"""

import dataclasses
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.augment.image import examples_as_floats
from jcl.config.options import descriptions, options
from jcl.data.dataset_shape import shape_of
from jcl.errors import UserError
from jcl.experiment import make_experiment, make_method, open_config
from jcl.experiment.tables import target
from jcl.mesh import make_mesh
from jcl.methods import METHODS
from jcl.methods.base import declared
from jcl.training.checkpoint import Checkpoints
from tests.methods.contract import DROPPING, NormalisedMap, Run, make_config, source
from tests.tiny import assert_same_bits, largest_difference, one_device

COPIED = ("moco_v2", "mochi", "feature_transformation", "moco_v3", "byol", "directpred", "beclr")
COPIED += ("pixpro",)
# Outputs of methods by name, but for those of momentum copies; the others have features and
# projection.
OUTPUTS = {
    **{name: {"features", "prediction"} for name in ("cross_entropy", "l1", "mse", "conr")},
    "pixpro": {"features", "projection", "map"},
    "cmim": {"features", "projection", "decoder"},
    "core_tuning": {"features", "projection", "prediction"},
    "san": {"features", "projection", "prediction"},
    "sepclr": {"features", "projection", "salient"},
    **{
        name: {"features", "projection", "text/features", "text/projection"}
        for name in ("clip", "siglip", "bimodal_sogclr")
    },
}
# One of each kind of parts: the others run among the slow tests.
FAST = (
    *("simclr", "sogclr", "dbpm", "moco_v2", "moco_v3", "nnclr", "swav", "mv_info_nce", "pixpro"),
    *("clip", "supcon", "cross_entropy", "l1"),
)
TAKE_CLASSES = [
    name for name in METHODS if "n_classes" in inspect.signature(target("method", name)).parameters
]
DOUBLE = {"precision": "float64", "fsdp_min_size": 1}


def shapes_of(state):
    return jax.tree.map(lambda x: (x.shape, x.dtype), state)


@pytest.mark.parametrize(
    "name",
    [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in METHODS],
)
def test_a_restored_run_is_the_straight_one_and_keeps_its_tree(name, tmp_path):
    run = Run(make_config(name), one_device())
    state = run.start()
    before = shapes_of(state)
    state, losses = run.steps(state, 0, 2)
    assert shapes_of(state) == before
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save(state, 2)
        straight, more = run.steps(state, 2, 4)
        restored = checkpoints.restore_newest(run.experiment.state_shapes(one_device()))
    again, once_more = run.steps(restored, 2, 4)
    assert_same_bits(again, straight)
    assert once_more == more
    assert np.isfinite([*losses, *more]).all()
    assert np.ptp([*losses, *more]) > 0
    check_outputs(name, run, straight)


def check_outputs(name, run, state):
    @jax.jit
    def outputs(examples):
        return run.experiment.method.outputs(state.probed, examples_as_floats(examples))

    found = outputs(run.source.batch(np.arange(5)))
    names = OUTPUTS.get(name, {"features", "projection"})
    copied = {f"momentum/{one}" for one in names} if name in COPIED else set()
    assert set(found) == names | copied
    for one in copied:
        assert np.abs(found[one] - found[one.removeprefix("momentum/")]).max() > 1e-6
    for kind, value in found.items():
        assert len(value) == 5, kind
        assert value.ndim == 2 or kind.split("/")[-1] in ("prediction", "map")
        assert np.isfinite(value).all()
    # Statistics are frozen, and an example's outputs are its own.
    among_others = outputs(run.source.batch(np.array([30, 3, 31, 32, 33])))
    for kind, value in found.items():
        np.testing.assert_allclose(among_others[kind][1], value[3], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["moco_v2", "pixpro"])
def test_outputs_of_momentum_copies_are_those_of_networks_with_their_parameters(name):
    experiment = make_experiment(make_config(name), shape_of(source()))
    examples = examples_as_floats(jax.device_put(source().batch(np.arange(5))))
    variables = experiment.init_state(one_device()).probed
    other = make_experiment(make_config(name, seed=1), shape_of(source()))
    moved = other.init_state(one_device()).probed.params
    copies = {part: moved[part] for part in variables.method_state["momentum"]}
    method_state = {**variables.method_state, "momentum": copies}
    found = experiment.method.outputs(variables._replace(method_state=method_state), examples)
    wanted = experiment.method.outputs(variables._replace(params=moved), examples)
    for one in ("features", "projection"):
        np.testing.assert_array_equal(found[f"momentum/{one}"], wanted[one])
        assert np.abs(wanted[one] - found[one]).max() > 1e-3


@pytest.mark.parametrize("name", ["rnc", "l1", "clip"])  # bases that have outputs of their own
def test_outputs_have_the_map_of_an_encoder_that_has_one(name):
    encoder = {"name": f"{NormalisedMap.__module__}:{NormalisedMap.__name__}"}
    config = make_config(name, encoder=encoder)
    experiment = make_experiment(config, shape_of(source()))
    examples = examples_as_floats(jax.device_put(source().batch(np.arange(5))))
    found = experiment.method.outputs(experiment.init_state(one_device()).probed, examples)
    assert found["map"].shape[:3] == (5, 2, 2)
    np.testing.assert_allclose(found["map"].mean((1, 2)), found["features"], rtol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_every_option_has_a_type_and_a_line_of_its_docstring(name):
    method = target("method", name)
    said = descriptions(method)
    for key, option in options(method).items():
        assert option.kind is not object, key
        assert said.get(key), f"{name}.{key} has no line in the docstring"
    config = make_config(name)
    config.method[f"{next(iter(options(method)), 'option')}x"] = 1
    message = rf"method\.\w+x=1 is set, but method.name='{name}' takes no such option"
    with pytest.raises(UserError, match=message) as error:
        open_config(config)
    assert "\n" not in str(error.value)
    make_method(open_config(make_config(name)), n_classes=4)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in METHODS
        if "n_classes" in inspect.signature(target("method", name)).parameters
    ],
)
def test_what_depends_on_the_number_of_classes_is_said(name):
    """A run is evaluated on other data without these parts."""
    data = shape_of(source())
    shapes = []
    for n_classes in (4, 5):
        of_classes = dataclasses.replace(data, n_classes=n_classes)
        experiment = make_experiment(make_config(name), of_classes)
        shapes.append(shapes_of(experiment.state_shapes(one_device()).params))
    parts = {part for part in shapes[0] if shapes[0][part] != shapes[1][part]}
    assert parts == {*declared(experiment.method, "head_parts")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sections", "layouts"),
    [({}, ((8, 1), (4, 2))), (DROPPING, ((4, 2),))],
    ids=["statistics", "dropout"],
)
@pytest.mark.parametrize("name", METHODS)
def test_any_mesh_computes_the_same(name, sections, layouts):
    places = [jax.devices()[i] for i in (0, 4, 1, 5, 2, 6, 3, 7)]
    with jax.enable_x64(True):
        alone = Run(make_config(name, **DOUBLE, **sections), one_device())
        expected, losses = alone.steps(alone.start(), 0, 4)
        for layout in layouts:
            run = Run(make_config(name, **DOUBLE, **sections), make_mesh(*layout, devices=places))
            state, found = run.steps(run.start(), 0, 4)
            np.testing.assert_allclose(found, losses, rtol=0, atol=1e-9)
            assert largest_difference(finite(state), finite(expected)) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_microbatches_change_nothing_without_batch_norm(name):
    with jax.enable_x64(True):
        runs = [
            Run(make_config(name, **DOUBLE, **DROPPING, microbatches=k), one_device())
            for k in (1, 2)
        ]
        (one, losses), (two, found) = (run.steps(run.start(), 0, 4) for run in runs)
        np.testing.assert_allclose(found, losses, rtol=0, atol=1e-9)
        assert largest_difference(finite(one), finite(two)) < 1e-9


def finite(state):
    """What a method owns, without examples that it never visited."""
    kept = state.params, state.model_state, state.method_state
    return jax.tree.map(lambda x: jnp.where(jnp.isneginf(x), 0, x), kept)
