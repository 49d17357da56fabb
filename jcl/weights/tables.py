"""Which tables of names there are for a network of ours."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn

from jcl.models.dense_tanh import DenseTanh
from jcl.models.projector import MLP
from jcl.models.resnet import ResNet
from jcl.models.text.bert import BERT
from jcl.models.text.clip_text import CLIPText
from jcl.models.vit import ViT
from jcl.weights import bert, clip, resnet, vit
from jcl.weights.rules import Table
from jcl.weights.untold import untold

# What a message says of all that follows.
KNOWN = (
    "those of ResNets, ViTs, clip_text, bert, dense_tanh (the pooler of BERT), and an mlp with "
    "layers=1 and output_bias=False (a projection of CLIP)"
)

_PROJECTIONS = {"projector": "visual", "text_projector": "text"}
# Learned scalars of a method: log(1 / temperature), and a bias of all logits.
_SCALARS = {"log_scale": "logit_scale", "logit_bias": "logit_bias"}


def tables_of(network: nn.Module, section: str) -> Sequence[Table]:
    """The tables for a network; none where no other library has such a network.

    The first is the one that weights are written by.

    Args:
        network: of a method.
        section: of the config that it is built from, such as `encoder`.
    """
    tower = "text" if section.startswith("text_") else "vision"
    told = untold(network)
    return tuple(
        dataclasses.replace(table, untold=told, tower=tower) for table in _tables(network, section)
    )


def _tables(network: nn.Module, section: str) -> Sequence[Table]:
    if isinstance(network, ResNet):
        return resnet.TORCHVISION, resnet.HUGGING_FACE
    if isinstance(network, ViT):
        kinds = (
            *(vit.timm, vit.dinov2, vit.hugging_face, vit.hugging_face_dinov2),
            *(clip.hugging_face_images, clip.open_clip_images),
        )
        return tuple(kind(network.patch_size) for kind in kinds)
    if isinstance(network, CLIPText):
        return clip.HUGGING_FACE_TEXTS, clip.OPEN_CLIP_TEXTS
    if isinstance(network, BERT):
        return bert.BERT, bert.OLD_BERT
    if isinstance(network, DenseTanh):
        return (bert.POOLER,)
    if isinstance(network, MLP) and section in _PROJECTIONS:
        is_one_product = network.layers == 1 and not (network.output_bias or network.output_norm)
        return clip.projections(_PROJECTIONS[section]) if is_one_product else ()
    return ()


def tables_by_section(method: Any) -> Mapping[str, Sequence[Table]]:
    """The same for each network of a method, by the name of its section, such as `encoder`.

    Those of learned scalars are there by the scalars' names, whether the method has them or not.
    """
    networks = {f.name: getattr(method, f.name) for f in dataclasses.fields(method)}
    scalars = {ours: (clip.scalar(ours, theirs),) for ours, theirs in _SCALARS.items()}
    return scalars | {
        name: tables_of(network, name)
        for name, network in networks.items()
        if isinstance(network, nn.Module)
    }
