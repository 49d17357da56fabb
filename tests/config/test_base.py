"""The run's own keys: what they hold, what they may be, what is done with them."""

import dataclasses
import re

import pytest

from jcl import config as config_lib
from jcl.config.base import FIXED, NAMED
from jcl.config.options import descriptions, options
from jcl.errors import UserError
from jcl.experiment import make_method, open_config
from jcl.methods.simclr import SimCLR
from jcl.optim.schedules import durations, make_schedule, peak_learning_rate
from tests.tiny import tiny_config, tiny_experiment


def test_a_boolean_argument_of_a_config_file_is_read_as_one():
    for text, value in (("large=False", False), ("large=true", True), ("", True)):
        assert config_lib.arguments(text, large=True) == {"large": value}
    with pytest.raises(UserError, match="'large=maybe' cannot be read"):
        config_lib.arguments("large=maybe", large=True)


def test_keys_are_locked_and_sections_of_names_are_open():
    config = config_lib.base()
    with pytest.raises(AttributeError):
        config.total_stepz = 1
    with pytest.raises(AttributeError):
        config.probe.knn_kk = 1
    with pytest.raises(TypeError):
        config.batch_size = "many"
    config.method.temperature = 0.2
    config.encoder = {"name": "vit_s", "patch_size": 8}
    assert config.encoder.patch_size == 8
    assert {title: config[title].name for title in NAMED} == {**NAMED, "encoder": "vit_s"}


def test_keys_do_not_share_their_unset_values():
    config = config_lib.base()
    config.total_steps = 7
    assert config.optimizer.warmup_steps is None
    assert config_lib.base().total_steps is None


def test_every_key_is_described():
    for title, kind in FIXED.items():
        assert options(kind).keys() == {field.name for field in dataclasses.fields(kind)}, title
        assert options(kind).keys() <= descriptions(kind).keys(), title


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("precision", "float16", "float32, bfloat16, float64"),
        ("batch_size", 0, "batch_size=0"),
        ("optimizer.scaling", "cubic", "none, linear, sqrt"),
        ("optimizer.weight_ema", 1.0, "less than 1"),
        ("optimizer.warmup_epochs", -1.0, "zero or a positive number"),
        ("optimizer.learning_rate", float("nan"), "optimizer.learning_rate=nan"),
        ("microbatches", 0, "positive"),
        ("total_steps", 0, "total_steps=0"),
        ("seed", -1, "seed=-1"),
        ("checkpoint.keep", 0, "checkpoint.keep=0"),
        ("frozen", (1,), "give patterns, which are strings"),
        ("init_from", (), "give a workdir, or pairs (pattern, workdir)"),
        ("init_from", ("encoder", "runs/x"), "give a workdir, or pairs"),
        ("init_from", (("encoder", None),), "give a workdir, or pairs"),
        ("init_from", 123, "init_from=123 is not of type str|tuple"),
        ("init_step", 3, "but init_from is not set"),
        ("profile.steps", (3, 2), "the first and the last step"),
        ("probe.shares", (0.1, 0.0), "each is more than 0 and at most 1"),
        ("probe.shares", (1.5,), "probe.shares=(1.5"),
        ("probe.target_bin", 0.0, "probe.target_bin=0.0"),
        ("probe.every_steps", 0, "probe.every_steps=0"),
    ],
)
def test_impossible_values_are_named(key, value, says):
    with pytest.raises(UserError, match=re.escape(says)):
        open_config(tiny_config(**{key: value}))


def test_a_config_that_is_not_base_is_refused():
    config = tiny_config()
    with config.unlocked():
        config.augmentation = "strong"
    with pytest.raises(UserError, match="config key augmentation is unknown"):
        open_config(config)
    config = tiny_config()
    with config.unlocked():
        del config.probe
    with pytest.raises(UserError, match=r"config key probe is missing; .* jcl\.config\.base"):
        open_config(config)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"method.name": "jigsaw"}, "method.name='jigsaw' is unknown; allowed: simclr, dcl"),
        ({"method.name": "simclrr"}, "did you mean simclr? allowed"),
        ({"encoder.name": "resnet"}, "encoder.name='resnet' is unknown"),
        ({"views.name": "strong"}, "views.name='strong' is unknown"),
        ({"optimizer.name": "lion"}, "optimizer.name='lion' is unknown"),
        ({"method.weight_sigma": 0.5}, "method.name='simclr' takes no such option; it takes"),
        ({"optimizer.momentum": 0.9}, "optimizer.momentum=0.9 is set"),
        ({"method.temperature": "hot"}, "method.temperature='hot' is not of type float"),
        ({"encoder.widths": 4}, "encoder.widths=4 is not of type tuple"),
        ({"views.size": True}, "views.size=True is not of type int"),
        ({"method.tempreature": 1.0}, "takes no such option; it takes temperature"),
        ({"method.name": "nowhere.at_all:Method"}, "cannot be imported"),
        ({"encoder.name": ":x"}, "encoder.name=':x' is unknown"),
        ({"encoder.name": "jcl.models:ENCODERS"}, "is neither a function nor a complete class"),
        ({"method.name": "jcl.methods.parts.two_view:TwoViewMethod"}, "nor a complete class"),
    ],
)
def test_names_and_options_that_do_not_fit_are_named(overrides, says):
    with pytest.raises(UserError) as caught:
        open_config(tiny_config(**overrides))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"projector.norm": "group"}, "allowed: batch, layer, none"),
        ({"encoder.activation": "swish"}, "allowed: relu, gelu, exact_gelu"),
        ({"encoder.widths": (0,)}, "encoder.widths=(0,) is impossible"),
        ({"views.min_area": 0.0}, "views.min_area=0.0 is impossible"),
        ({"views.size": 0}, "views.size=0 is impossible"),
        ({"method.temperature": -0.1}, "method.temperature=-0.1"),
        ({"method.temperature": float("nan")}, "method.temperature=nan"),
        ({"method.name": "sogclr", "method.gamma": 1.5}, "method.gamma=1.5"),
        ({"optimizer.name": "sgd", "optimizer.momentum": 1.0}, "less than 1"),
        ({"optimizer.weight_decay": -1.0}, "optimizer.weight_decay=-1.0"),
    ],
)
def test_named_things_check_their_own_options(overrides, says):
    with pytest.raises(UserError) as caught:
        tiny_experiment(open_config(tiny_config(**overrides)))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_that_the_method_does_not_take_is_named():
    config = tiny_config()
    config.predictor.layers = 3
    with pytest.raises(
        UserError, match=r"predictor.layers=3 is set, .*'simclr' takes no predictor"
    ):
        open_config(config)


def test_a_thing_of_others_that_needs_more_is_named():
    config = tiny_config(**{"projector.name": "flax.linen:Dense"})
    config.projector = {"name": "flax.linen:Dense"}
    says = "is called with dtype, param_dtype, but missing a required argument: 'features'"
    with pytest.raises(UserError, match=says):
        tiny_experiment(open_config(config))


def test_a_method_from_outside_needs_no_fork():
    config = tiny_config(**{"method.name": f"{__name__}:Tripled", "method.factor": 4})
    method = make_method(open_config(config))
    assert (method.factor, method.temperature) == (4, 0.2)
    with pytest.raises(UserError, match=r"method\.facto=4 is set, .* it takes factor"):
        open_config(tiny_config(**{"method.name": f"{__name__}:Tripled", "method.facto": 4}))


@dataclasses.dataclass(frozen=True)
class Tripled(SimCLR):
    """A method of somebody else's."""

    factor: int = 3


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


def test_arguments_have_the_types_of_their_defaults():
    given = config_lib.arguments("flip=False,crop=true,epochs=3", flip=True, crop=False, epochs=1)
    assert given == {"flip": False, "crop": True, "epochs": 3}
    with pytest.raises(UserError, match="'flip=maybe' cannot be read"):
        config_lib.arguments("flip=maybe", flip=True)
