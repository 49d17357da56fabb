"""How the names in a config become objects."""

import difflib
import functools
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ml_collections import ConfigDict

from jcl.config.options import Option, options
from jcl.config.sections import refusal
from jcl.errors import UserError

_ADDRESS = re.compile(r"[\w.]+:\w+")


def build(
    title: str,
    section: Mapping[str, Any] | ConfigDict,
    names: Mapping[str, str],
    *given,
    others: Mapping[str, Option] = MappingProxyType({}),
    **context,
) -> Any:
    """Calls the class or function of `section['name']` with the options that the section sets.

    Args:
        title: of the section, for messages, such as "method".
        section: holds `name` and options; an option that is None keeps its default.
        names: as in `resolve`.
        *given: positional arguments that do not come from the section.
        others: as in `options`.
        **context: keyword arguments that do not come from the section.

    Raises:
        UserError: an unknown name, or an option that the class or function does not take.
    """
    target = resolve(title, section["name"], names)
    taken = options(target, others, supplied=len(given))
    chosen = {key: value for key, value in section.items() if key != "name" and value is not None}
    for key in chosen:
        if key not in taken:
            raise UserError(refusal(title, section["name"], key, chosen[key], taken))
    try:
        inspect.signature(target).bind(*given, **chosen, **context)
    except TypeError as error:
        said = ", ".join([*chosen, *context])
        raise UserError(
            f"{title}.name={section['name']!r} is called with {said}, but {error}"
        ) from error
    return target(*given, **chosen, **context)


def resolve(title: str, name: str, names: Mapping[str, str]) -> Callable:
    """Imports what a name stands for.

    Args:
        title: of the section, for messages.
        name: a key of `names`; or KIND:REST if `names` has a key that begins with KIND and a colon,
            where REST becomes the first argument; or an address package.module:attribute, for a
            class of the user's own.
        names: name -> "package.module:attribute".

    Raises:
        UserError: the name is unknown or stands for something that cannot be called.
    """
    address, first = names.get(name), ()
    kind, colon, rest = name.partition(":")
    if address is None and colon and rest:
        kinds = {key.partition(":")[0]: key for key in names if ":" in key}
        address, first = (names[kinds[kind]], (rest,)) if kind in kinds else (name, ())
    if address is None or not _ADDRESS.fullmatch(address):
        near = difflib.get_close_matches(name, names, n=1)
        raise UserError(
            f"{title}.name={name!r} is unknown; "
            + (f"did you mean {near[0]}? " if near else "")
            + f"allowed: {', '.join(names)}, or an address package.module:attribute"
        )
    try:
        target = import_address(address)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{title}.name={name!r} cannot be imported: {error}") from error
    if not callable(target) or inspect.isabstract(target):
        raise UserError(f"{title}.name={name!r} is neither a function nor a complete class")
    return functools.partial(target, *first) if first else target


def import_address(address: str) -> Any:
    """Imports `package.module:attribute`; raises ImportError, AttributeError or ValueError."""
    module, _, attribute = address.partition(":")
    return getattr(importlib.import_module(module), attribute)
