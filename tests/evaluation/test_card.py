"""What the card beside exported weights says of the run's inputs."""

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
    text = card(
        tmp_path,
        tiny_config(),
        network,
        "encoder.safetensors",
        section="encoder",
        step=1,
        library=None,
    )
    for part in parts:
        assert part in text
    assert ("RGB" in text) == (example[-1] == 3)
