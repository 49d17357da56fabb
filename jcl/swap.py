"""Replacing what a config file names by something else, on the command line."""

import inspect
from collections.abc import Collection

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jcl.augment import VIEWS
from jcl.config.names import build, resolve
from jcl.data import options_taken
from jcl.methods import METHODS
from jcl.models import ENCODERS, PROJECTORS
from jcl.optim.optimizers import COMMON_OPTIONS, OPTIMIZERS
from jcl.optim.patterns import matches, parameter_name

_NAMES = {
    "views": VIEWS,
    "encoder": ENCODERS,
    "projector": PROJECTORS,
    "method": METHODS,
    "optimizer": OPTIMIZERS,
}

# What makes one encoder of a family smaller or larger than another; each has its own.
_SIZES = ("widths", "blocks", "width", "depth", "heads", "stage_sizes")
# Methods whose temperature divides distances; that of all others divides cosines.
_DISTANCES = ("rnc",)


def drop_replaced_options(
    config: ConfigDict, *, original: ConfigDict, given: Collection[str]
) -> list[str]:
    """Unsets what a config file chose for a thing that the command line replaced by another.

    `--config.encoder.name=resnet18` works on a config whose own encoder has `widths`: they go with
    it. Options that both things take stay, such as the temperature of another method, where it
    means the same; only the sizes of an encoder always go. What the command line gives stays too,
    and is an error later if the new thing does not take it.

    Args:
        config: with the overrides; changed in place.
        original: without them.
        given: the keys that the command line sets, such as "encoder.name".

    Returns:
        A line for the user about each section where something was dropped.

    Raises:
        UserError: a new name is unknown.
    """
    lines = []
    for section_name in ("data", *_NAMES):
        section = config[section_name]
        if section.name == original[section_name].name:
            continue
        taken = _options_taken(section_name, section.name)
        if section_name == "encoder":
            taken = [key for key in taken if key not in _SIZES]
        names = section.name, original[section_name].name
        if section_name == "method" and len({name in _DISTANCES for name in names}) == 2:
            taken = [key for key in taken if key != "temperature"]
        dropped = [
            key
            for key, value in section.items()
            if key != "name" and value is not None and key not in taken
            if f"{section_name}.{key}" not in given
        ]
        for key in dropped:
            section[key] = None
        if dropped:
            keys = ", ".join(f"{section_name}.{key}" for key in dropped)
            lines.append(f"{keys} of the config file: dropped with what {section.name} replaces")
    if config.frozen and "frozen" not in given and config.encoder.name != original.encoder.name:
        lines += _drop_frozen_patterns(config)
    return lines


def _options_taken(section_name: str, name: str) -> Collection[str]:
    if section_name == "data":
        return options_taken(name)
    target = resolve(section_name, name, _NAMES[section_name])
    common = COMMON_OPTIONS if section_name == "optimizer" else ()
    return [*inspect.signature(target).parameters, *common]


def _drop_frozen_patterns(config: ConfigDict) -> list[str]:
    """Drops patterns for parts of the replaced encoder that the new one does not have."""
    encoder = build("encoder", config.encoder, ENCODERS, dtype=jnp.float32, param_dtype=jnp.float32)
    side = config.views.size or config.data.image_size or 224  # names do not depend on it
    image = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    variables = jax.eval_shape(lambda x: encoder.init(jax.random.key(0), x, train=True), image)
    paths = jax.tree_util.tree_leaves_with_path({"encoder": variables["params"]})
    names = [parameter_name(path) for path, _ in paths]
    gone = [
        pattern
        for pattern in config.frozen
        if pattern.startswith("encoder/") and not any(matches(pattern, name) for name in names)
    ]
    config.frozen = tuple(pattern for pattern in config.frozen if pattern not in gone)
    return [
        f"frozen={pattern!r} of the config file: dropped, {config.encoder.name} has no such part"
        for pattern in gone
    ]
