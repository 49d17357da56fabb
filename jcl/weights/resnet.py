"""Names of a ResNet's parameters in torchvision (and timm), and in Hugging Face's files.

Source: torchvision's models.resnet, transformers' modeling_resnet; names alone.
"""

from jcl.weights.rules import CONV, Rule, Table

_NORM = {"scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}


def _norm(ours: str, theirs: str) -> tuple[Rule, ...]:
    return tuple(Rule(f"{ours}/{leaf}", f"{theirs}.{name}") for leaf, name in _NORM.items())


_BLOCK = r"stage(\d+)_block(\d+)"

TORCHVISION = Table(
    "torchvision's ResNet",
    (
        Rule("stem/kernel", "conv1.weight", CONV),
        *_norm("stem_norm", "bn1"),
        Rule(rf"{_BLOCK}/conv(\d+)/kernel", "layer{1+1}.{2}.conv{3+1}.weight", CONV),
        *_norm(rf"{_BLOCK}/norm(\d+)", "layer{1+1}.{2}.bn{3+1}"),
        Rule(rf"{_BLOCK}/shortcut/kernel", "layer{1+1}.{2}.downsample.0.weight", CONV),
        *_norm(rf"{_BLOCK}/shortcut_norm", "layer{1+1}.{2}.downsample.1"),
    ),
    ignored=(r"fc\..*", r".*num_batches_tracked"),
)

_LAYER = "encoder.stages.{1}.layers.{2}"

HUGGING_FACE = Table(
    "Hugging Face's ResNet",
    (
        Rule("stem/kernel", "embedder.embedder.convolution.weight", CONV),
        *_norm("stem_norm", "embedder.embedder.normalization"),
        Rule(rf"{_BLOCK}/conv(\d+)/kernel", _LAYER + ".layer.{3}.convolution.weight", CONV),
        *_norm(rf"{_BLOCK}/norm(\d+)", _LAYER + ".layer.{3}.normalization"),
        Rule(rf"{_BLOCK}/shortcut/kernel", _LAYER + ".shortcut.convolution.weight", CONV),
        *_norm(rf"{_BLOCK}/shortcut_norm", _LAYER + ".shortcut.normalization"),
    ),
    ignored=(r"classifier\..*", r".*num_batches_tracked"),
)
