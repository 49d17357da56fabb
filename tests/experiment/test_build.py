"""From a config to a run's objects: networks that a method declares, what it needs of examples."""

import ast
import contextlib
import dataclasses
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np
import pytest

import jcl
from jcl.augment import VIEWS
from jcl.data.dataset_shape import images_of
from jcl.errors import UserError
from jcl.experiment import (
    check_view_sizes,
    describe_networks,
    make_experiment,
    make_method,
    open_config,
)
from jcl.experiment.build import check_needs
from jcl.experiment.tables import networks_of
from jcl.methods import METHODS
from jcl.methods.simclr import SimCLR
from jcl.models import ENCODERS
from tests.tiny import one_device, tiny_config


@dataclasses.dataclass(frozen=True)
class Predicting(SimCLR):
    """Views pass a predictor as well, which is built from the section of that name."""

    predictor: nn.Module = dataclasses.field(kw_only=True)

    @property
    def networks(self):
        return {**super().networks, "predictor": self.predictor}


def test_networks_that_a_method_declares_are_built_from_the_sections_of_their_names():
    name = f"{__name__}:Predicting"
    config = tiny_config(**{"method.name": name})
    config.predictor = {"name": "mlp", "hidden_dim": 5, "output_dim": 8}
    config = open_config(config)
    assert networks_of(name) == ["encoder", "projector", "predictor"]
    assert describe_networks(config) == f"{name} with convnet, mlp, mlp"
    method = make_method(config)
    assert (method.predictor.hidden_dim, method.projector.hidden_dim) == (5, 8)
    experiment = make_experiment(config, images_of(8, 8, 3, examples=64))
    params = experiment.state_shapes(one_device()).params
    assert set(params) == {"encoder", "projector", "predictor"}
    assert params["predictor"]["dense0"]["kernel"].shape == (8, 5)


@pytest.mark.parametrize(
    ("name", "has", "says"),
    [
        ("supremix", "label", "has none, only classes, whose numbers have no order"),
        ("supcon", "target", r"has none, only targets \(method.bin_width makes classes"),
        ("l1", "label", "needs a target of every example, but data.name='shapes' has none$"),
    ],
)
def test_a_method_says_what_it_needs_and_what_to_do_instead(name, has, says):
    data = images_of(8, 8, 3, examples=64)
    example = {key: data.example[key] for key in ("image", has)}
    data = dataclasses.replace(data, example=example)
    config = tiny_config(**{"method.name": name, "method.temperature": None})
    with pytest.raises(UserError, match=says):
        check_needs(make_experiment(config, data))


@pytest.mark.parametrize(
    ("views", "says"),
    [
        ({"name": "weak", "size": 9}, r"views\.size=9 is larger .* 6x8: take a smaller"),
        ({"name": "multi_crop", "size": 8}, r"views\.small_size=96 is larger"),
        ({"name": "weak", "size": 8}, None),
    ],
)
def test_a_new_run_has_no_views_larger_than_images(views, says):
    data = images_of(6, 8, 3, examples=64)
    experiment = make_experiment(tiny_config(views=views), data)
    one = data.example["image"]
    several = jax.ShapeDtypeStruct((2, *one.shape), np.uint8)
    for example in ({"image": one}, {"image": several}, {"video": several}):
        shape = dataclasses.replace(data, example=example)
        with pytest.raises(UserError, match=says) if says else contextlib.nullcontext():
            check_view_sizes(experiment.config, shape)
    # Evaluation on other data, and an older run, need its shapes all the same.
    assert experiment.state_shapes(one_device()).params


def test_shared_code_names_no_method_and_no_network():
    """The tables of their folders and configs name them; `upgrade` knows what they were called.

    A recipe of views may have a method's name, because the method's paper made it.
    """
    root = Path(jcl.__file__).parent
    own = ("methods/", "models/", "losses/", "config/base.py", "config/upgrade.py")
    names = {*METHODS, *ENCODERS}
    found = [
        f"{path.relative_to(root)}: {node.value}"
        for path in root.rglob("*.py")
        if not str(path.relative_to(root)).startswith(own)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in names
        if not (path.parent.name == "augment" and node.value in VIEWS)
    ]
    assert found == []
