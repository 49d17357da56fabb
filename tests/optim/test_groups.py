"""Groups of parameters against optax, a parameter at a time, in float64; and in training."""

import dataclasses
import functools

import jax
import numpy as np
import optax
import pytest

from jcl.errors import UserError
from jcl.experiment import open_config
from jcl.methods.simclr import SimCLR
from jcl.optim.groups import Group, check_groups, groups_of, held
from jcl.optim.optimizers import is_weight, make_optimizer
from tests.tiny import assert_same_bits, one_device, tiny_config, tiny_experiment, train

RATES = (0.1, 0.3)
PEAK = 0.2 * 16 / 256


def schedule(step):
    return jax.numpy.asarray(RATES)[step]


def parameters():
    random = np.random.RandomState(0)
    return {
        "encoder": {
            "first": {"kernel": random.randn(3, 3), "bias": random.randn(3)},
            "last": {"kernel": random.randn(3, 3), "bias": random.randn(3)},
        },
        "encoder2": {"kernel": random.randn(3, 3)},
        "head": {"kernel": random.randn(3, 3), "bias": random.randn(3)},
    }


def whole(params, part):
    """The tree of booleans that says what belongs to a part."""
    return {
        name: jax.tree.map(lambda _, is_it=name == part: is_it, params[name]) for name in params
    }


GROUPS = (
    ("encoder/first/bias", None),
    ("encoder/first", {"scale": 0.25, "decay": False}),
    ("encoder", {"scale": 0.5}),
    ("head/kernel", {"scale": 0.5, "constant_rate": True}),
    ("head", {"decay": False}),
)


def at_peak(step):
    return PEAK


# Of each parameter: the scale of its updates, None where it is held still, whether it decays, and
# its rate.
TRAINED = {
    "encoder": {
        "first": {"kernel": (0.25, False, schedule), "bias": (None, False, schedule)},
        "last": {"kernel": (0.5, True, schedule), "bias": (0.5, False, schedule)},
    },
    "encoder2": {"kernel": (1.0, True, schedule)},
    "head": {"kernel": (0.5, True, at_peak), "bias": (1.0, False, schedule)},
}


def adamw(weight, decays, rate):
    return optax.adamw(rate, weight_decay=0.3 if decays else 0.0)


def lars(weight, decays, rate):
    return optax.lars(rate, weight_decay=0.3 if decays else 0.0, trust_ratio_mask=weight.ndim > 1)


def sgd(weight, decays, rate):
    momentum = optax.sgd(rate, momentum=0.9)
    return optax.chain(optax.add_decayed_weights(0.3), momentum) if decays else momentum


def by_itself(alone, how, weight, *gradients):
    """Trains one parameter."""
    scale, decays, rate = how
    if scale is None:
        return weight
    optimizer = alone(weight, decays, rate)
    state = optimizer.init(weight)
    for gradient in gradients:
        update, state = optimizer.update(gradient, state, weight)
        weight = weight + scale * update
    return weight


@pytest.mark.parametrize("alone", [adamw, lars, sgd])
def test_each_parameter_is_trained_as_its_first_group_says(alone):
    config = {"optimizer.name": alone.__name__, "optimizer.weight_decay": 0.3}
    rate = {"optimizer.learning_rate": 0.2, "optimizer.scaling": "linear"}
    config = open_config(tiny_config(**config, **rate, **{"optimizer.groups": GROUPS}))
    optimizer = make_optimizer(config, schedule)

    @jax.jit
    def trained(params, *gradients):
        state, together = optimizer.init(params), params
        for gradient in gradients:
            updates, state = optimizer.update(gradient, state, together)
            together = optax.apply_updates(together, updates)
        alike = functools.partial(by_itself, alone)
        apart = jax.tree.map(
            alike, TRAINED, params, *gradients, is_leaf=lambda x: isinstance(x, tuple)
        )
        return together, apart

    with jax.enable_x64(True):
        params, random = parameters(), np.random.RandomState(1)
        gradients = [jax.tree.map(lambda w: random.randn(*w.shape), params) for _ in RATES]
        together, apart = trained(params, *gradients)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), together, apart)
        still = params["encoder"]["first"]["bias"]
        np.testing.assert_array_equal(together["encoder"]["first"]["bias"], still)
        kept = [x for x in jax.tree.leaves(jax.eval_shape(optimizer.init, params)) if x.ndim]
        sizes = sum(leaf.size for leaf in jax.tree.leaves(params)) - still.size
        assert sum(leaf.size for leaf in kept) == (2 if alone is adamw else 1) * sizes


def test_what_is_frozen_comes_first_and_what_a_method_suggests_last():
    config = open_config(tiny_config(frozen=("a",), **{"optimizer.groups": (("b", None),)}))
    found = groups_of(config, (("a", {"scale": 2.0}), ("nowhere", None)))
    assert found == (
        Group("a", scale=None, key="frozen"),
        Group("b", scale=None, key="optimizer.groups"),
        Group("a", scale=2.0),
        Group("nowhere", scale=None),
    )
    params = {"a": 1.0, "b": 1.0, "c": 1.0}
    assert held(params, found) == {"a": True, "b": True, "c": False}
    check_groups(params, found)  # what a suggestion names may be absent


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        (("encoder", None), "has 'encoder', but takes pairs"),
        ((("encoder", 0.1),), "has ('encoder', 0.1), but takes pairs"),
        (((1, None),), "has (1, None), but takes pairs"),
        ((("encoder/(", None),), "'encoder/(' is not a regular expression"),
        ((("encoder", {"rate": 0.1}),), "'encoder' has 'rate', but a group takes scale, decay and"),
        ((("encoder", {"constant_rate": 1}),), "'encoder' constant_rate: 1 is not of type bool"),
        ((("encoder", {"scale": "x"}),), "'encoder' scale: 'x' is not of type float"),
        ((("encoder", {"scale": True}),), "'encoder' scale: True is not of type float"),
        ((("encoder", {"scale": -1.0}),), "'encoder' scale=-1.0 is impossible"),
        ((("encoder", {"decay": 0.1}),), "'encoder' decay: 0.1 is not of type bool"),
    ],
)
def test_what_is_no_group_is_named_when_the_config_is_read(groups, says):
    with pytest.raises(UserError) as caught:
        open_config(tiny_config(**{"optimizer.groups": groups}))
    assert says in str(caught.value)
    assert str(caught.value).startswith("optimizer.groups")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "pattern", "says"),
    [
        ("frozen", "conv_stage0", "such as encoder/"),
        ("frozen", "", "matches no parameter"),
        ("frozen", ".*", "leaves no parameter to train"),
        ("optimizer.groups", "head", "matches no parameter and no part; there are"),
    ],
)
def test_patterns_that_do_not_fit_the_parameters_are_named(key, pattern, says):
    value = (pattern,) if key == "frozen" else ((pattern, {"scale": 0.1}),)
    with pytest.raises(UserError, match=says) as caught:
        tiny_experiment(tiny_config(**{key: value})).state_shapes(one_device())
    assert str(caught.value).startswith(f"{key}: {pattern!r}")
    assert "\n" not in str(caught.value)


def theirs(*, learning_rate):
    """An optimizer of somebody else's, which decays nothing."""
    return optax.sgd(learning_rate)


def test_an_optimizer_that_cannot_leave_decay_out_is_named():
    config = tiny_config(**{"optimizer.name": f"{__name__}:theirs"})
    undecayed = (("head", {"decay": False}),)
    make_optimizer(config, schedule, suggested=undecayed)  # a suggestion is no demand
    config.optimizer.groups = undecayed
    says = r"optimizer.groups: 'head' has decay=False, but optimizer.name=.* takes no `decayed`"
    with pytest.raises(UserError, match=says):
        make_optimizer(config, schedule)


def test_the_state_of_one_scaled_group_has_the_structure_of_old_checkpoints():
    """`optimizer.encoder_scale` made it until 2026-11-28."""
    config = tiny_config(**{"optimizer.groups": (("encoder", {"scale": 0.5}),)})
    params = parameters()

    def is_encoder(params):
        return whole(params, "encoder")

    old = optax.chain(
        optax.adamw(schedule, mask=is_weight), optax.masked(optax.scale(0.5), is_encoder)
    )
    states = [optimizer.init(params) for optimizer in (old, make_optimizer(config, schedule))]
    assert jax.tree.structure(states[0]) == jax.tree.structure(states[1])


@dataclasses.dataclass(frozen=True)
class Suggesting(SimCLR):
    """Holds its projector still, where there is none that the config says otherwise of."""

    groups = (("projector", None), ("prototypes", {"scale": 3.0}))


def test_a_method_suggests_groups_and_the_config_overrules_it():
    name = f"{__name__}:Suggesting"
    experiment = tiny_experiment(tiny_config(**{"method.name": name}))
    params = experiment.state_shapes(one_device()).params
    still = held(params, experiment.step_options()["groups"])
    assert still == whole(params, "projector")
    overruled = {"method.name": name, "optimizer.groups": (("projector", {"scale": 0.5}),)}
    experiment = tiny_experiment(tiny_config(**overruled))
    assert not any(jax.tree.leaves(held(params, experiment.groups)))


@pytest.mark.parametrize(
    "optimizer",
    [
        {"optimizer.name": "adamw", "optimizer.weight_decay": 0.5},
        pytest.param(
            {
                "optimizer.name": "lars",
                "optimizer.weight_decay": 0.5,
                "optimizer.gradient_clip_norm": 0.1,
            },
            marks=pytest.mark.slow,
        ),
    ],
    ids=["adamw", "lars, clipped"],
)
def test_frozen_parameters_keep_every_bit_and_cost_no_state(optimizer):
    """Weight decay would move them, and so would momentum."""
    states = []

    def config_of(**overrides):
        new = tiny_config(**optimizer, **overrides, **{"views.name": "none"})
        new.encoder = {"name": "tests.methods.contract:Normalised"}  # the quickest to compile
        return new

    config = config_of(total_steps=3, frozen=("encoder/dense/", "encoder/.*/bias"))
    curve = train(config, one_device(), watch=lambda state: states.append(jax.device_get(state)))
    before, after = states[0].params, states[-1].params
    assert_same_bits(before["encoder"]["dense"], after["encoder"]["dense"])
    moved = jax.tree.map(lambda a, b: bool((np.asarray(a) != np.asarray(b)).any()), before, after)
    expected = jax.tree.map(lambda still: not still, held(before, groups_of(config)))
    assert moved == expected
    frozen = sum(
        leaf.size * (not trained)
        for leaf, trained in zip(jax.tree.leaves(before), jax.tree.leaves(expected), strict=True)
    )
    sizes = sum(leaf.size for leaf in jax.tree.leaves(before))
    copies = 2 if config.optimizer.name == "adamw" else 1
    kept = sum(leaf.size for leaf in jax.tree.leaves(states[0].opt_state) if leaf.ndim)
    assert kept == copies * (sizes - frozen)
    # The logged norm is that of the gradients that are used.
    whole = train(config_of(total_steps=1), one_device())
    assert curve.metrics[0]["gradient_norm"] < whole.metrics[0]["gradient_norm"]
    np.testing.assert_allclose(curve.losses[0], whole.losses[0], rtol=1e-6)
