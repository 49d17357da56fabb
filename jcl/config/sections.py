"""A section of the config: a name, and the options of the class or function that it names.

Until the config is read, a section holds whatever was set. Reading the config opens the section: it
then has a typed field for every option.
"""

import difflib
import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ml_collections import ConfigDict, config_dict

from jcl.config.options import Option, owner
from jcl.config.upgrade import gone
from jcl.config.values import fitted
from jcl.errors import UserError


def opened(
    title: str, section: ConfigDict, taken: Mapping[str, Option], fixed: Collection[str] = ()
) -> ConfigDict:
    """Returns the section with a field for every option, and the values that were set.

    Args:
        title: of the section, for messages; "" is the config itself.
        section: what was set; it may be open already.
        taken: the options that the section may hold beside its name.
        fixed: the options that hold their default if they are not set. The others hold None, which
            stands for the default of the class or function that is named.

    Raises:
        UserError: the section holds another key or a value of another type.
    """
    new = ConfigDict({"name": section.name} if "name" in section else {})
    for key, option in taken.items():
        new[key] = config_dict.placeholder(option.kind)
        if key in fixed and option.default is not None:
            new[key] = option.default
    for key, value in section.items():
        if key == "name" or (key not in taken and value is None):
            continue  # an empty field of the class or function that was named before
        if key not in taken:
            raise UserError(refusal(title, section.get("name"), key, value, taken))
        set_option(title, new, key, value, taken[key], unset=key not in fixed)
    return new


def set_option(
    title: str, section: ConfigDict, key: str, value: Any, option: Option, *, unset: bool
) -> None:
    """Sets one option of an opened section.

    Args:
        title: of the section, for messages; "" is the config itself.
        section: changed in place.
        key: of the option.
        value: a sequence serves as a tuple, and an integral float as an int.
        option: the types that are allowed.
        unset: whether None is allowed although the signature does not take it; None then keeps the
            default.

    Raises:
        UserError: the value is of another type.
    """
    name = full_key(title, key)
    if value is None:
        if not (unset or option.nullable):
            raise UserError(f"{name}=None is impossible: it needs a value")
        section[key] = None
        return
    try:
        section[key] = fitted(value, option.kinds)
    except TypeError:
        raise UserError(f"{name}={value!r} is not of type {option.kind_name}") from None


def swapped(
    section: ConfigDict,
    old: tuple[Callable, Mapping[str, Option]],
    new: tuple[Callable, Mapping[str, Option]],
    name: str,
) -> ConfigDict:
    """Changes the name and keeps the options that mean the same under both names.

    An option of two classes means the same if both inherit it from one class. An option of two
    functions means the same if it has the same name. Options that the name itself fixes, such as
    the width in `functools.partial(ViT, width=384)`, are not kept.

    Args:
        section: the section with the old name; it is not changed.
        old: the class or function of the old name, and its options.
        new: the class or function of the new name, and its options.
        name: the new name.
    """
    (old, before), (new, after) = old, new
    standing = {*_keywords(old), *_keywords(new)}
    kept = {
        key: value
        for key, value in section.items()
        if key not in before
        or (key in after and key not in standing and owner(old, key) == owner(new, key))
    }
    return ConfigDict({**kept, "name": name})


def full_key(title: str, key: str) -> str:
    """`method.temperature`; for a key of the config itself, just the key."""
    return f"{title}.{key}" if title else key


def _keywords(target: Callable) -> Collection[str]:
    return target.keywords if isinstance(target, functools.partial) else ()


def refusal(title: str, name: str | None, key: str, value: Any, taken: Collection[str]) -> str:
    """Says that a section holds a key that it may not hold, and suggests similar keys.

    Args:
        title: of the section; "" is the config itself.
        name: the section's name; None if it has no name.
        key: the key that the section may not hold.
        value: of the key.
        taken: the keys that it may hold.
    """
    if said := gone(full_key(title, key), value):
        return said
    near = " or ".join(difflib.get_close_matches(str(key), taken, n=3))
    if name is None:
        meant = near or ", ".join(taken)
        return f"config key {full_key(title, key)} is unknown; did you mean {meant}?"
    return (
        f"{title}.{key}={value!r} is set, but {title}.name={name!r} takes no such option; "
        f"it takes {near or ', '.join(taken) or 'none'}"
    )
