"""Everything that was renamed since older versions of jcl, so that their runs resume.

The first version with a record of resolved options is the one after commit ea6a2a0. A run of that
commit has every key in its config.json, and None for "the default of what is named".
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

PyTree = Any
# {"encoder": {"Conv_0": "conv_stage0"}}: for each section of networks, old and new layer names.
Renames = Mapping[str, Mapping[str, str]]

_RESNET = {"width": 64, "stem": "imagenet", "remat": False}
_VIT = {"patch_size": 16, "depth": 12, "positions": "sincos", "pooling": "cls", "remat": False}

# The options of commit ea6a2a0 and their defaults, by section and name.
DEFAULTS = {
    "data": {
        "shapes": {"image_size": None, "train_examples": 10_000, "test_examples": 2_000},
        "arrays": {"image_size": None},
        "tfds": {
            "dir": None,
            "image_size": None,
            "image_key": "image",
            "label_key": None,
            "train_split": "train",
            "test_split": "test",
        },
    },
    "views": {
        "shapes": {"size": None, "min_area": 0.7, "channel_mix": 1.0, "grayscale": 0.3},
        "crop_flip_light": {"size": None, "min_area": 0.3, "brightness": 0.4, "contrast": 0.4},
        "crop_light": {"size": None, "min_area": 0.5, "brightness": 0.4, "contrast": 0.4},
        "simclr_imagenet": {
            "size": None,
            "min_area": 0.08,
            "strength": 1.0,
            "grayscale": 0.2,
            "blur": 0.5,
        },
        "simclr_cifar": {"size": None, "min_area": 0.08, "strength": 0.5, "grayscale": 0.2},
        "byol": {"size": None, "min_area": 0.08},
        "weak": {"size": None, "min_area": 0.2},
        "none": {"size": None},
        "feature_noise": {"noise": 0.1, "mask": 0.2},
    },
    "encoder": {
        "convnet": {"widths": [24, 48, 96, 192], "blocks": 0, "activation": "relu"},
        "mlp": {"widths": [512, 512], "activation": "relu"},
        "resnet18": {**_RESNET, "stage_sizes": [2, 2, 2, 2]},
        "resnet34": {**_RESNET, "stage_sizes": [3, 4, 6, 3]},
        "resnet50": {**_RESNET, "stage_sizes": [3, 4, 6, 3]},
        "resnet101": {**_RESNET, "stage_sizes": [3, 4, 23, 3]},
        "resnet152": {**_RESNET, "stage_sizes": [3, 8, 36, 3]},
        "vit_ti": {**_VIT, "width": 192, "heads": 3},
        "vit_s": {**_VIT, "width": 384, "heads": 6},
        "vit_b": {**_VIT, "width": 768, "heads": 12},
        "vit_l": {**_VIT, "width": 1024, "heads": 16, "depth": 24},
    },
    "projector": {
        "mlp": {
            "hidden_dim": 256,
            "output_dim": 128,
            "norm": "batch",
            "layers": 2,
            "output_norm": False,
        }
    },
    "method": {
        "simclr": {"temperature": 0.1},
        "dcl": {"temperature": 0.1, "weight_sigma": None},
        "sogclr": {"temperature": 0.1, "gamma": 0.9},
        "supcon": {"temperature": 0.1, "bin_width": None},
        "supremix": {
            "temperature": 0.5,
            "window": 5.0,
            "bin_width": 1.0,
            "mix_neg": True,
            "mix_pos": True,
            "beta": [2.0, 8.0],
        },
        "rnc": {"temperature": 2.0},
    },
    "optimizer": {
        "adamw": {"weight_decay": 1e-4, "beta1": 0.9, "beta2": 0.999},
        "lars": {"weight_decay": 1e-6, "momentum": 0.9, "trust_coefficient": 0.001},
        "sgd": {"momentum": 0.9, "weight_decay": 0.0},
    },
}
# Methods of that commit that were given a projector and did not use it.
_WITHOUT_PROJECTOR = ("cross_entropy", "l1", "mse")
_LEAVES = ("/", "/kernel", "/bias", "/scale")
_CONVNETS = ("convnet", "jcl.models.convnet:ConvNet")
_MLPS = ("mlp", "jcl.models.projector:MLP")

# Keys that were removed: what to set instead, and the old value for which nothing need be set.
_GONE = {
    "init_part": ("init_from=(({value!r}, WORKDIR),)", "everything"),
    "optimizer.encoder_scale": ("optimizer.groups=(('encoder', {{'scale': {value}}}),)", 1.0),
    "probe.projection": ("probe.outputs=('features', 'projection')", False),
}


def upgrade_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """Translates the keys of an older config.json to those of today; others are kept.

    Args:
        values: the content of a config.json, nested as in the file.
    """
    values = {
        title: {key: value for key, value in section.items() if value is not None}
        if isinstance(section, Mapping)
        else section
        for title, section in values.items()
    }
    if values.get("method", {}).get("name") in _WITHOUT_PROJECTOR:
        values["projector"] = {"name": values.get("projector", {}).get("name", "mlp")}
    if values.get("frozen"):
        values["frozen"] = upgrade_patterns(values["frozen"], renames(values))
    return _nested(upgrade_options(_flat(values)))


def upgrade_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Translates the keys of older options to those of today; others are kept.

    Args:
        values: {"section.key": value}, as in run.json.
    """
    values = dict(values)
    scale = values.pop("optimizer.encoder_scale", None)
    if scale is not None:
        values["optimizer.groups"] = None if scale == 1 else [["encoder", {"scale": scale}]]
    part = values.pop("init_part", "everything")
    if part != "everything" and values.get("init_from") is not None:
        values["init_from"] = [[part, values["init_from"]]]
    if values.pop("probe.projection", False):
        values["probe.outputs"] = ["features", "projection"]
    return values


def gone(key: str, value: Any) -> str | None:
    """Says what replaces a key that was removed; None for any other key.

    Args:
        key: such as "optimizer.encoder_scale".
        value: the value that the user gave, as text or not; None if it is not known.
    """
    if key not in _GONE:
        return None
    instead, nothing = _GONE[key]
    if str(value).lower() in (str(nothing).lower(), str(nothing).removesuffix(".0")):
        return f"config key {key} is gone: leave it out, because {nothing} is now the default"
    value = "VALUE" if value is None else value
    return f"config key {key} is gone: set {instead.format(value=value)}"


def gone_by_leaf(leaf: str) -> str | None:
    """What `gone` says of the key with this last part, for any value."""
    found = [key for key in _GONE if key.rpartition(".")[2] == leaf]
    return gone(found[0], None) if found else None


def first_default(title: str, name: str, key: str, default: Any) -> Any:
    """The value that commit ea6a2a0 used for an option that was not set.

    Args:
        title: of the section.
        name: of the class or function that has the option.
        key: of the option.
        default: today's default, which is returned for options that this commit did not have.
    """
    kind = name.partition(":")[0] if title == "data" else name
    return DEFAULTS.get(title, {}).get(kind, {}).get(key, default)


def renames(values: Mapping[str, Any]) -> Renames:
    """The names of layers at commit ea6a2a0, and their names of today.

    Args:
        values: of the run's config, nested: names and options of `encoder` and `projector`.
    """
    found = {}
    encoder, projector = values["encoder"], values["projector"]
    if encoder["name"] in _CONVNETS:
        widths = encoder.get("widths") or DEFAULTS["encoder"]["convnet"]["widths"]
        units = []
        for stage in range(len(widths)):
            units.append(f"stage{stage}")
            units += [
                f"stage{stage}_block{block}"
                for block in range((encoder.get("blocks") or 0) if stage else 0)
            ]
        found["encoder"] = {f"Conv_{i}": f"conv_{unit}" for i, unit in enumerate(units)}
        found["encoder"] |= {f"BatchNorm_{i}": f"batch_norm_{unit}" for i, unit in enumerate(units)}
    if projector["name"] in _MLPS:
        layers = range(projector.get("layers") or DEFAULTS["projector"]["mlp"]["layers"])
        kinds = {"Dense": "dense", "BatchNorm": "batch_norm", "LayerNorm": "layer_norm"}
        found["projector"] = {
            f"{old}_{i}": f"{new}{i}" for old, new in kinds.items() for i in layers
        }
    found["head"] = {"Dense_0": "dense"}
    return found


def rename(tree: PyTree, names: Renames) -> PyTree:
    """Renames the layers of sections such as `encoder`, wherever they occur in a pytree."""

    def walk(node, of_part):
        if isinstance(node, Mapping):
            return {
                of_part.get(key, key): walk(child, names.get(key, {}))
                for key, child in node.items()
            }
        if isinstance(node, tuple) and hasattr(node, "_fields"):
            return type(node)(*(walk(child, {}) for child in node))
        if isinstance(node, tuple | list):
            return type(node)(walk(child, {}) for child in node)
        return node

    return walk(tree, {})


def reversed_names(names: Renames) -> Renames:
    """The same table in the other direction, from new names to old ones."""
    return {part: {new: old for old, new in layers.items()} for part, layers in names.items()}


def has_old_names(tree: PyTree, names: Renames) -> bool:
    """Whether a section in a pytree has a layer with an old name."""
    if isinstance(tree, Mapping):
        return any(
            (isinstance(child, Mapping) and not names.get(key, {}).keys().isdisjoint(child))
            or has_old_names(child, names)
            for key, child in tree.items()
        )
    return isinstance(tree, tuple | list) and any(has_old_names(child, names) for child in tree)


def upgrade_patterns(patterns: Sequence[str], names: Renames) -> tuple[str, ...]:
    """Replaces patterns that match old names of layers but no new ones by the new names."""
    layers = [
        (f"{part}/{old}", f"{part}/{new}")
        for part, named in names.items()
        for old, new in named.items()
    ]
    found = []
    for pattern in patterns:
        old, new = (
            [(layer[1], suffix) for layer in layers if (suffix := _matched(pattern, layer[side]))]
            for side in (0, 1)
        )
        found += [name + suffix.removesuffix("/") for name, suffix in old] if not new else []
        found += [] if old and not new else [pattern]
    return tuple(dict.fromkeys(found))


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for title, section in values.items():
        if isinstance(section, Mapping):
            found |= {f"{title}.{key}": value for key, value in section.items()}
        else:
            found[title] = section
    return found


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in values.items():
        title, _, key = name.rpartition(".")
        if value is not None:
            (found.setdefault(title, {}) if title else found)[key] = value
    return found


def _matched(pattern: str, layer: str) -> str | None:
    """The part of a layer that a pattern matches: "/" for all of it, "/kernel", ..; else None."""
    try:
        matches = [s for s in ("", *_LEAVES) if re.fullmatch(pattern, layer + s)]
    except re.error:  # `jcl.optim.patterns` reports the error
        return None
    return (matches[0] or "/") if matches else None
