"""Which tables of names there are for a network of ours."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn

from jcl.models.resnet import ResNet
from jcl.models.vit import ViT
from jcl.weights import resnet, vit
from jcl.weights.rules import Table


def tables_of(network: nn.Module) -> Sequence[Table]:
    """The tables for a network; none where no other library has such a network.

    The first is the one that weights are written by.
    """
    if isinstance(network, ResNet):
        return resnet.TORCHVISION, resnet.HUGGING_FACE
    if isinstance(network, ViT):
        kinds = vit.timm, vit.dinov2, vit.hugging_face, vit.hugging_face_dinov2
        return tuple(kind(network.patch_size) for kind in kinds)
    return ()


def tables_by_section(method: Any) -> Mapping[str, Sequence[Table]]:
    """The same for each network of a method, by the name of its section, such as `encoder`."""
    networks = {f.name: getattr(method, f.name) for f in dataclasses.fields(method)}
    return {
        name: tables_of(network)
        for name, network in networks.items()
        if isinstance(network, nn.Module)
    }
