"""How the names in a config become objects."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict

from jcl.errors import UserError


def build(section_name: str, section: ConfigDict, names: Mapping[str, str], **context) -> Any:
    """Calls what `section.name` stands for with the section's other keys, where they are set.

    Args:
        section_name: for messages, such as "method".
        section: holds `name` and the union of all options; None leaves the default in place.
        names: name -> "package.module:callable". A name that holds a colon is such an address
            itself, so that a user's own class needs no fork.
        **context: arguments that come from elsewhere than the section.

    Raises:
        UserError: an unknown name, or an option that is set and that the named thing does not take.
    """
    target = resolve(section_name, section.name, names)
    signature = inspect.signature(target)
    takes = signature.parameters
    options = {k: v for k, v in section.items() if k != "name" and v is not None}
    if refused := [key for key in options if key not in takes]:
        allowed = [key for key in section if key in takes and key != "name"]
        raise UserError(
            f"{section_name}.{refused[0]}={options[refused[0]]!r} is set, but "
            f"{section_name}.name={section.name!r} takes only: {', '.join(allowed) or 'nothing'}"
        )
    try:
        signature.bind(**options, **context)
    except TypeError as error:
        given = ", ".join([*options, *context])
        raise UserError(
            f"{section_name}.name={section.name!r} is called with {given}, but {error}"
        ) from error
    return target(**options, **context)


def resolve(section_name: str, name: str, names: Mapping[str, str]) -> Callable:
    """Imports what a name stands for; arguments and errors as in `build`."""
    address = names.get(name, name)
    if not all(address.partition(":")):
        raise UserError(
            f"{section_name}.name={name!r} is unknown; allowed: {', '.join(names)}, "
            "or an address package.module:Class"
        )
    try:
        target = import_address(address)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{section_name}.name={name!r} cannot be imported: {error}") from error
    if not callable(target) or inspect.isabstract(target):
        raise UserError(f"{section_name}.name={name!r} is no function and no complete class")
    return target


def import_address(address: str) -> Any:
    """Imports `package.module:attribute`; raises ImportError or AttributeError."""
    module, _, attribute = address.partition(":")
    return getattr(importlib.import_module(module), attribute)
