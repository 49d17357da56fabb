"""The width of a network that no one gave one."""

import importlib
from pathlib import Path

import pytest

from jcl.experiment import make_method, read_command_line, resolved_options
from tests.experiment.test_build import Predicting
from tests.tiny import tiny_config

NAME = f"{Predicting.__module__}:Predicting"
CONFIGS = sorted(path.stem for path in (Path(__file__).parents[2] / "configs").glob("*.py"))


@pytest.mark.parametrize(
    ("set_options", "width"),
    [
        ({}, 128),
        ({"projector.output_dim": 6}, 6),
        ({"projector.output_dim": 6, "predictor.output_dim": 5}, 5),
    ],
    ids=str,
)
def test_it_is_the_projectors_unless_it_is_set(set_options, width):
    options = {"projector.output_dim": None, **set_options, "method.name": NAME}
    config, _, _ = read_command_line(tiny_config(**options), [])
    assert make_method(config).predictor.output_dim == width
    assert resolved_options(config)["predictor.output_dim"] == width
    assert config.predictor.output_dim == set_options.get("predictor.output_dim")  # as asked


def test_a_method_without_a_predictor_has_no_such_option():
    config, _, _ = read_command_line(tiny_config(), [])
    assert "predictor.output_dim" not in resolved_options(config)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_method_with_one_can_be_named_on_any_config(name):
    config = importlib.import_module(f"configs.{name}").get_config()
    config, _, _ = read_command_line(config, [f"--config.method.name={NAME}"])
    method = make_method(config)
    assert method.predictor.output_dim == method.projector.output_dim
