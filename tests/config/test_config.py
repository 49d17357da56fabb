"""Keys, names and what may change on resume."""

import dataclasses

import pytest

from jcl import config as config_lib
from jcl.errors import UserError
from jcl.experiment import make_method
from jcl.methods.simclr import SimCLR
from jcl.optim.schedules import durations, make_schedule, peak_learning_rate
from tests.tiny import tiny_config, tiny_experiment


def test_json_round_trip_keeps_every_key_and_type():
    config = tiny_config(**{"method.weight_sigma": 0.5, "method.name": "dcl"})
    again = config_lib.from_json(config_lib.to_json(config))
    assert config_lib.flatten(again) == config_lib.flatten(config)
    assert again.encoder.widths == (4, 8)
    with pytest.raises(AttributeError):
        again.total_stepz = 1


def test_a_config_that_is_not_base_is_refused():
    config = tiny_config()
    with config.unlocked():
        config.augmentation = "strong"
    with pytest.raises(UserError, match="augmentation"):
        config_lib.validate(config)


def test_keys_do_not_share_their_unset_values():
    config = config_lib.base()
    config.total_steps = 7
    assert config.optimizer.warmup_steps is None
    assert config_lib.base().total_steps is None


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("precision", "float16", "float32, bfloat16, float64"),
        ("batch_size", 0, "batch_size=0"),
        ("optimizer.scaling", "cubic", "none, linear, sqrt"),
        ("optimizer.weight_ema", 1.0, "less than 1"),
        ("method.temperature", -0.1, "method.temperature=-0.1"),
        ("method.temperature", float("nan"), "method.temperature=nan"),
        ("microbatches", 0, "positive"),
        ("total_steps", 0, "total_steps=0"),
        ("seed", -1, "seed=-1"),
        ("checkpoint.keep", 0, "checkpoint.keep=0"),
        ("frozen", (1,), "give patterns, which are strings"),
        ("init_part", "projector", "allowed: everything, encoder"),
        ("init_step", 3, "init_from, which is not set"),
        ("views.size", 0, "views.size=0"),
        ("optimizer.momentum", 1.0, "less than 1"),
        ("probe.shares", (0.1, 0.0), "each is more than 0 and at most 1"),
        ("probe.shares", (1.5,), "probe.shares=(1.5"),
        ("probe.target_bin", 0.0, "probe.target_bin=0.0"),
    ],
)
def test_impossible_values_are_named(key, value, says):
    with pytest.raises(UserError, match=says.replace("(", r"\(")):
        config_lib.validate(tiny_config(**{key: value}))


PROJECTOR_OPTIONS = ("projector.hidden_dim", "projector.output_dim")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"method.name": "moco"}, "method.name='moco' is unknown; allowed: simclr, dcl"),
        ({"encoder.name": "resnet"}, "encoder.name='resnet' is unknown"),
        ({"views.name": "strong"}, "views.name='strong' is unknown"),
        ({"optimizer.name": "lion"}, "optimizer.name='lion' is unknown"),
        ({"method.weight_sigma": 0.5}, "method.name='simclr' takes only: temperature"),
        ({"optimizer.momentum": 0.9}, "optimizer.momentum=0.9 is set"),
        ({"projector.norm": "group"}, "allowed: batch, layer, none"),
        ({"encoder.activation": "swish"}, "allowed: relu, gelu, tanh"),
        ({"views.min_area": 0.0}, "views.min_area=0.0 is impossible"),
        ({"method.name": "nowhere.at_all:Method"}, "cannot be imported"),
        ({"encoder.name": ":x"}, "encoder.name=':x' is unknown"),
        ({"encoder.name": "jcl.models:ENCODERS"}, "is no function and no complete class"),
        ({"method.name": "jcl.methods.parts.two_view:TwoViewMethod"}, "no complete class"),
        (
            {"projector.name": "flax.linen:Dense", **dict.fromkeys(PROJECTOR_OPTIONS)},
            "is called with dtype, param_dtype, but missing a required argument: 'features'",
        ),
    ],
)
def test_names_and_options_that_do_not_fit_are_named(overrides, says):
    with pytest.raises(UserError) as caught:
        tiny_experiment(tiny_config(**overrides))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_method_from_outside_needs_no_fork():
    config = tiny_config(
        **{"method.name": "tests.config.test_config:Tripled", "method.temperature": None}
    )
    assert make_method(config).factor == 3


@dataclasses.dataclass(frozen=True)
class Tripled(SimCLR):
    """A method of somebody else's."""

    factor: int = 3


def test_only_what_computes_nothing_may_change_on_resume():
    saved = tiny_config()
    for key, value in (
        ("mesh.data", 4),
        ("data.dir", "elsewhere"),
        ("log_every_steps", 7),
        ("checkpoint.every_steps", 9),
        ("checkpoint.keep", 5),
    ):
        assert config_lib.changes_on_resume(saved, tiny_config(**{key: value})) == []
    changed = tiny_config(**{"total_steps": 48, "optimizer.learning_rate": 0.5})
    assert sorted(config_lib.changes_on_resume(saved, changed)) == [
        "optimizer.learning_rate: 0.01 -> 0.5",
        "total_steps: 24 -> 48",
    ]


def test_steps_win_over_epochs_and_a_short_run_ends_in_its_warm_up():
    config = tiny_config(**{"total_epochs": 3.0, "optimizer.warmup_epochs": 2.0})
    assert durations(config, steps_per_epoch=4).total_steps == 24
    config.total_steps = None
    length = durations(config, steps_per_epoch=4)
    assert (length.total_steps, length.warmup_steps) == (12, 8)
    config.total_steps = 5
    assert durations(config, steps_per_epoch=4).warmup_steps == 5


def test_learning_rate_against_the_formula():
    config = tiny_config(
        **{"optimizer.learning_rate": 0.3, "optimizer.warmup_steps": 4, "batch_size": 64}
    )
    for scaling, peak in (("none", 0.3), ("linear", 0.3 * 64 / 256), ("sqrt", 0.3 * 8)):
        config.optimizer.scaling = scaling
        assert peak_learning_rate(config) == pytest.approx(peak)
    schedule = make_schedule(config, durations(config, steps_per_epoch=8))
    assert float(schedule(2)) == pytest.approx(2.4 * 2 / 4)
    assert float(schedule(4)) == pytest.approx(2.4)
    assert float(schedule(14)) == pytest.approx(2.4 * 0.5)  # halfway from 4 to 24
    assert float(schedule(24)) == pytest.approx(0, abs=1e-6)
