"""What the card beside exported weights says of the run's inputs."""

import json

import numpy as np
import pytest

from jcl.data import InMemorySource
from jcl.data.identity import identity
from jcl.evaluation.card import card
from jcl.models.convnet import ConvNet
from jcl.models.projector import MLP
from jcl.models.resnet import ResNet
from jcl.models.vit import ViT
from jcl.runtime import workdir
from tests.tiny import tiny_config


def written(folder, network, section="encoder", **more):
    more = {"library": None, "makes_features": True, **more}
    name = "encoder.safetensors"
    return card(folder, tiny_config(), network, name, section=section, step=1, **more)


@pytest.mark.parametrize(
    ("network", "example", "parts"),
    [
        (ResNet(), (8, 8, 3), ["Images are RGB in [0, 1], minus 0.5, divided by 0.5.\n"]),
        (ResNet(), (8, 8, 1), ["Images are gray", "Conv2d(1, 64, 7, stride=2, padding=3, bias"]),
        (ResNet(stem="cifar"), (8, 8, 5), ["of 5 channels", "Conv2d(5, 64, 3, padding=1, bias"]),
        (ViT(), (8, 8, 1), ["Images are gray", "in_chans=1"]),
        (ConvNet(), (8, 8, 3), ["Images are RGB in [0, 1].\n"]),
        (MLP(), (7,), ["Inputs are vectors of 7 numbers"]),
    ],
)
def test_inputs_are_those_of_the_run(network, example, parts, tmp_path):
    arrays = {"image": np.zeros((2, *example), np.uint8)}
    if len(example) == 1:
        arrays = {"features": np.zeros((2, *example), np.float32)}
    data = identity(InMemorySource(arrays))
    workdir.write_run(tmp_path, start_step=0, origin=None, options={}, data=data)
    text = written(tmp_path, network)
    for part in parts:
        assert part in text
    assert ("RGB" in text) == (example[-1] == 3)


def test_scores_are_of_the_features_of_this_network_alone(tmp_path):
    workdir.write_run(tmp_path, start_step=0, origin=None, options={}, data={})
    results = {"step": 1, "knn": {"top1": 0.25}}

    def scores(**options):
        (tmp_path / "results.json").write_text(json.dumps(results))
        return written(tmp_path, ConvNet(), **options).split("## Scores")[1].split("##")[0]

    assert "| kNN top-1 | 25.0 |" in scores()
    assert "25.0" not in scores(section="text_encoder", makes_features=False)
    results["settings"] = {"outputs": ["projection"]}
    assert "25.0" not in scores()
    assert "projection" in scores()
