"""What no array of a network tells: heads, activations, epsilons, how images were scaled."""

from typing import Any

import flax.linen as nn

from jcl.models.resnet import ResNet
from jcl.models.text import bert, clip_text
from jcl.models.vit import ViT

# Our options -> what the files of `transformers` call them.
KEYS = {
    "heads": "num_attention_heads",
    "activation": "hidden_act",
    "epsilon": "layer_norm_eps",
    "mean": "image_mean",
    "std": "image_std",
}
# Our names of activations -> those of `transformers`, of which the first is written.
ACTIVATIONS = {
    "quick_gelu": ("quick_gelu",),
    "exact_gelu": ("gelu", "gelu_python"),
    "gelu": ("gelu_pytorch_tanh", "gelu_new"),
    "relu": ("relu",),
    "tanh": ("tanh",),
}


def untold(network: nn.Module) -> dict[str, Any]:
    """Options and fixed facts of a network, by our names; {} of networks that have none."""
    if isinstance(network, ResNet):
        return _options(network, "mean", "std")
    if isinstance(network, ViT):
        return _options(network, "heads", "activation", "epsilon", "pooling", "mean", "std")
    if isinstance(network, clip_text.CLIPText):
        fixed = {"epsilon": clip_text.EPSILON, "causal": True}
        return _options(network, "heads", "activation") | fixed
    if isinstance(network, bert.BERT):
        return _options(network, "heads") | {"activation": "exact_gelu", "epsilon": bert.EPSILON}
    return {}


def _options(network: nn.Module, *names: str) -> dict[str, Any]:
    return {name: getattr(network, name) for name in names}
