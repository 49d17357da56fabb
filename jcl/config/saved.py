"""The config on disk: the options that were set, and all options with their values."""

import json
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from jcl.config.base import NAMED, base
from jcl.config.sections import full_key
from jcl.config.upgrade import upgrade_config
from jcl.config.values import as_tuples
from jcl.errors import UserError

# Option -> value, such as {"seed": 0, "method.temperature": 0.2}; tuples are lists, as in JSON.
Resolved = Mapping[str, Any]


def to_json(config: ConfigDict) -> str:
    """Writes the options that are set; `from_json` reads them back."""
    return json.dumps(_without_none(config.to_dict()), indent=2) + "\n"


def from_json(text: str) -> ConfigDict:
    """Reads what `to_json` wrote, also with an older jcl; newer keys get their default.

    Raises:
        UserError: not JSON, or a key that this version of jcl does not know.
    """
    try:
        values = json.loads(text.removeprefix("\ufeff"))  # some editors write a byte-order mark
    except json.JSONDecodeError as error:
        raise UserError(f"the saved config is not JSON: {error}") from error
    if not isinstance(values, Mapping):
        raise UserError(f"the saved config is a {type(values).__name__}, not an object of sections")
    config = base()
    for key, value in values.items():
        if isinstance(config.get(key), ConfigDict) and not isinstance(value, Mapping):
            raise UserError(f"the saved config's {key} is {value!r}, not an object of options")
    update(config, upgrade_config(values))
    return config


def update(config: ConfigDict, values: Mapping[str, Any], prefix: str = "") -> None:
    """Sets nested keys in place; raises UserError for an unknown key or a wrong type."""
    for key, value in values.items():
        if key not in config and prefix.removesuffix(".") not in NAMED:
            raise UserError(
                f"config key {prefix}{key!s} is unknown; allowed here: {', '.join(config)}"
            )
        if isinstance(config.get(key), ConfigDict):
            update(config[key], value, f"{prefix}{key}.")
        else:
            try:
                config[key] = as_tuples(value)
            except TypeError as error:
                said = str(error).splitlines()[0]
                raise UserError(f"config key {prefix}{key}={value!r}: {said}") from error


def flatten(config: ConfigDict, title: str = "") -> dict[str, Any]:
    """Returns {"section.key": value}."""
    flat = {}
    for key, value in config.items():
        name = full_key(title, key)
        flat |= flatten(value, name) if isinstance(value, ConfigDict) else {name: value}
    return flat


def changes(
    before: Resolved, now: Resolved, *, defaults: Resolved, free: set[str] = frozenset()
) -> list[str]:
    """Lists "key: before -> now" for each option that differs.

    Args:
        before: the options that the run was started with. An option that is missing there was added
            to jcl later, with a default that keeps the old behaviour.
        now: the options that the run is asked to resume with.
        defaults: the defaults of today.
        free: options that may differ.
    """
    later = {key: value for key, value in defaults.items() if key in now and key not in before}
    before = {**before, **{k: v for k, v in later.items() if not _renamed(k, before, now)}}
    found = []
    for key in [*before, *(key for key in now if key not in before)]:
        missing = key not in before or key not in now
        if key in free or (missing and (_renamed(key, before, now) or key not in before)):
            continue
        if before.get(key) != now.get(key):
            then, today = as_tuples(before.get(key)), as_tuples(now.get(key))
            found.append(f"{key}: {then!r} -> {today!r}")
    return found


def _renamed(key: str, before: Resolved, now: Resolved) -> bool:
    """Whether an option's section names another thing now."""
    named = key.rpartition(".")[0] + ".name"
    return key != named and before.get(named) != now.get(named)


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if value is not None
    }
