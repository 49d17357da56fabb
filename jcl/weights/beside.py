"""What stands beside a file of weights, and says of a network what no array tells."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jcl.errors import UserError
from jcl.weights.rules import Table
from jcl.weights.untold import ACTIVATIONS, KEYS

Said = Mapping[str, Any]

# What a config.json means by a key that it does not have, by its `model_type`.
TRANSFORMERS_DEFAULTS = {
    "bert": {"heads": 12, "activation": "gelu", "epsilon": 1e-12},
    "clip_text_model": {"heads": 8, "activation": "quick_gelu", "epsilon": 1e-5},
    "clip_vision_model": {"heads": 12, "activation": "quick_gelu", "epsilon": 1e-5},
    "dinov2": {"heads": 12, "activation": "gelu", "epsilon": 1e-6},
    "dinov2_with_registers": {"heads": 12, "activation": "gelu", "epsilon": 1e-6},
    "vit": {"heads": 12, "activation": "gelu", "epsilon": 1e-12},
}
# What an open_clip_config.json means by what it does not say.
_OPEN_CLIP_WIDTH, _OPEN_CLIP_HEAD_WIDTH = 768, 64
_OPEN_CLIP_TEXT_HEADS = 8
_OPEN_CLIP_EPSILON = 1e-5
_OPEN_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_OPEN_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def check_config(path: str | Path, table: Table, what: str) -> None:
    """Raises UserError where a file beside the weights describes another network.

    Such files are config.json and preprocessor_config.json of `transformers`, and
    open_clip_config.json. Where there is no such file, or it does not speak of something, nothing
    is known of that.

    Args:
        path: of the file of weights.
        table: of the network.
        what: the file, for messages.
    """
    folder = Path(path).expanduser().parent
    told = []
    for name, options_of in _FILES.items():
        said = _options(folder / name, options_of, table.tower)
        differing = [
            f"{key}={said[key]!r}, which is {value!r} here"
            for key, value in table.untold.items()
            if said.get(key) is not None and not _same(said[key], value)
        ]
        if differing:
            told.append(f"{folder / name} describes a network with {', and '.join(differing)}")
    if told:
        raise UserError(f"{what} does not fit this config: {'; '.join(told)}")


def _options(file: Path, options_of: Callable[[Said, str], Said], tower: str) -> Said:
    """What a file says, by our names; nothing where it is not there, or not what it should be."""
    try:
        return options_of(json.loads(file.read_text()), tower)
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}


def _of_transformers(said: Said, tower: str) -> Said:
    half = said.get(f"{tower}_config")
    kind = f"{said.get('model_type')}_{tower}_model" if half else None
    half = half or said
    defaults = TRANSFORMERS_DEFAULTS.get(half.get("model_type", kind), {})
    found = defaults | {ours: half[theirs] for ours, theirs in KEYS.items() if theirs in half}
    ours = (name for name, theirs in ACTIVATIONS.items() if found.get("activation") in theirs)
    return found | {"activation": next(ours, found.get("activation"))}


def _of_preprocessor(said: Said, tower: str) -> Said:
    del tower  # only images have one
    if not said.get("do_normalize", True):
        return {}
    return {name: said.get(KEYS[name]) for name in ("mean", "std")}


def _of_open_clip(said: Said, tower: str) -> Said:
    model = said["model_cfg"]
    half, images = model[f"{tower}_cfg"], said.get("preprocess_cfg") or {}
    found = {"mean": images.get("mean", _OPEN_CLIP_MEAN), "std": images.get("std", _OPEN_CLIP_STD)}
    if half.get("timm_model_name") or half.get("hf_model_name"):
        return found  # another library's network
    if tower == "text":
        found["heads"] = half.get("heads", _OPEN_CLIP_TEXT_HEADS)
        found["causal"] = not half.get("no_causal_mask", False)
    else:
        width = half.get("width", _OPEN_CLIP_WIDTH)
        found["heads"] = width // half.get("head_width", _OPEN_CLIP_HEAD_WIDTH)
        # Its mean is of patches beside a class token, and ViT has one or the other.
        pooling = half.get("pool_type", "tok")
        found["pooling"] = "cls" if pooling == "tok" else f"{pooling} of OpenCLIP"
    approximation = (half.get("act_kwargs") or {}).get("approximate")
    gelu = "gelu" if approximation == "tanh" else "exact_gelu"
    return found | {
        "activation": "quick_gelu" if model.get("quick_gelu") else gelu,
        "epsilon": (half.get("norm_kwargs") or {}).get("eps", _OPEN_CLIP_EPSILON),
    }


# Files, and what reads them: (their contents, the tower) -> options by our names.
_FILES: Mapping[str, Callable[[Said, str], Said]] = {
    "config.json": _of_transformers,
    "preprocessor_config.json": _of_preprocessor,
    "open_clip_config.json": _of_open_clip,
}


def _same(said: Any, ours: Any) -> bool:
    """Whether values agree; one number stands for as many channels as there are."""
    if not isinstance(ours, tuple | list):
        return said == ours
    try:
        return np.allclose(said, ours, rtol=1e-3, atol=0)
    except (TypeError, ValueError):  # other channels, or no numbers
        return False
