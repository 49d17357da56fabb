"""The card beside exported weights: a description, and how to load them."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
from ml_collections import ConfigDict

from jcl import config as config_lib
from jcl.evaluation.encode import evaluation_size
from jcl.models.resnet import ResNet
from jcl.models.vit import ViT
from jcl.runtime import workdir as workdir_lib

# Our names of activations -> timm's.
_TIMM_ACTIVATIONS = {
    "exact_gelu": "gelu",
    "gelu": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "tanh": "tanh",
}
_TIMM_EPSILON = 1e-6  # of its LayerNorm, where none is given


def card(
    workdir: Path,
    config: ConfigDict,
    network: nn.Module,
    file: str,
    *,
    section: str,
    step: int,
    library: str | None,
    makes_features: bool,
    program: str | None = None,
) -> str:
    """A page in Markdown.

    Args:
        workdir: of the run; scores come from its `results.json`, if there is one of this step.
        config: of the run.
        network: the network of the weights.
        file: name of the file of weights.
        section: of the config, that the network is built from.
        step: completed updates.
        library: whose names the weights have; None: jcl's own.
        makes_features: whether the output "features", which is scored first, depends on it.
        program: that loads the weights; None: that of `loading`.
    """
    run = json.loads((workdir / workdir_lib.RUN).read_text())
    names = f"the names of {library}" if library else "jcl's own names, with dots"
    packages = ", ".join(f"{name} {version}" for name, version in sorted(run["packages"].items()))
    example = (workdir_lib.read_data(workdir) or {}).get("example", {})
    program = program or loading(network, file, evaluation_size(config), _channels(example))
    return f"""# {file}

A network pretrained with jcl, under {names}.

| | |
|---|---|
| method | {config.method.name} |
| {section} | {config[section].name} |
| data | {config.data.name} |
| batch | {config.batch_size} |
| updates | {step} |
| command | `{shlex.join(run["command_line"])}` |
| git commit | {run["git_commit"]} |
| versions | {packages} |

{_inputs(config, network, section, example)}

## Load it

```python
{program}
```

## Scores

{_scores(workdir, step) if makes_features else "Those in results.json are of other networks."}

## Config

```json
{config_lib.to_json(config).strip()}
```
"""


def loading(network: nn.Module, file: str, size: int | None, channels: int) -> str:
    """A program that loads the weights, in PyTorch if a library has such a network.

    Args:
        network: the network of the weights.
        file: of the weights.
        size: side of an image in pixels.
        channels: of an image.
    """
    from_file = f'from safetensors.torch import load_file\n\nweights = load_file("{file}")\n'
    load = "model.load_state_dict(weights)\nmodel.eval()"
    if isinstance(network, ResNet) and network.width == 64:
        block = "Bottleneck" if network.bottleneck else "BasicBlock"
        lines = [
            f"model = resnet.ResNet(resnet.{block}, {list(network.stage_sizes)})",
            "model.fc = torch.nn.Identity()",
        ]
        if network.stem == "cifar":
            lines += [
                f"model.conv1 = torch.nn.Conv2d({channels}, 64, 3, padding=1, bias=False)",
                "model.maxpool = torch.nn.Identity()",
            ]
        elif channels != 3:
            options = "7, stride=2, padding=3, bias=False"
            lines.append(f"model.conv1 = torch.nn.Conv2d({channels}, 64, {options})")
        return "\n".join(
            ["import torch", "from torchvision.models import resnet", from_file, *lines, load]
        )
    if isinstance(network, ViT):
        pooled = network.pooling == "mean"
        options = {
            "img_size": size,
            "patch_size": network.patch_size,
            "in_chans": channels,
            "embed_dim": network.width,
            "depth": network.depth,
            "num_heads": network.heads,
            "num_classes": 0,
            "class_token": not pooled,
            "global_pool": "avg" if pooled else "token",
            "fc_norm": False,
            "init_values": network.layer_scale,
            "reg_tokens": network.registers,
            "pre_norm": network.pre_norm,
            "act_layer": _TIMM_ACTIVATIONS[network.activation],
        }
        given = ", ".join(f"{name}={value!r}" for name, value in options.items())
        imports = ["import timm"]
        if network.epsilon != _TIMM_EPSILON:
            imports = ["import functools", "", *imports]
            norm = f"functools.partial(timm.layers.LayerNorm, eps={network.epsilon})"
            given = f"{given}, norm_layer={norm}"
        return "\n".join(
            [*imports, from_file, f"model = timm.models.VisionTransformer({given})", load]
        )
    return (
        f'from safetensors.numpy import load_file\n\nweights = load_file("{file}")\n'
        "# No other library that jcl knows has this network; names and shapes are jcl's."
    )


def _inputs(
    config: ConfigDict, network: nn.Module, section: str, example: Mapping[str, Any]
) -> str:
    """What the network takes; `example` is that of the run's record, which older runs lack."""
    if section.startswith("text_"):
        length = config.data.text_length
        return f"Texts are at most {length} tokens of tokenizer.json, where the run had one."
    if "image" not in example and "features" in example:
        return f"Inputs are vectors of {example['features'][1][-1]} numbers, as in the data."
    channels = _channels(example)
    what = {1: "gray", 3: "RGB"}.get(channels, f"of {channels} channels")
    said = f"Images are {what} in [0, 1]"
    if hasattr(network, "mean"):
        mean, std = (", ".join(map(str, numbers)) for numbers in (network.mean, network.std))
        said += f", minus {mean}, divided by {std}"
    return f"{said}."


def _channels(example: Mapping[str, Any]) -> int:
    return example["image"][1][-1] if "image" in example else 3


def _scores(workdir: Path, step: int) -> str:
    try:
        results = json.loads((workdir / workdir_lib.RESULTS).read_text())
    except (OSError, json.JSONDecodeError):
        results = {}
    if results.get("step") != step:
        return "Not measured (`python -m jcl.evaluate`)."
    if (first := results.get("settings", {}).get("outputs", ["features"])[0]) != "features":
        return f"See results.json; its first scores are of the output {first}."
    names = {"knn": "kNN top-1", "linear": "linear top-1"}
    rows = [
        f"| {said} | {100 * results[key]['top1']:.1f} |"
        for key, said in names.items()
        if "top1" in results.get(key, {})
    ]
    return "\n".join(["| score | % |", "|---|--:|", *rows]) if rows else "See results.json."
