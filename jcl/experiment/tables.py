"""Tables of all names that a config can use, with the classes and functions they stand for."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict

from jcl.augment import VIEWS
from jcl.config.base import FIXED, NAMED
from jcl.config.names import resolve
from jcl.config.options import Option, options
from jcl.data import SOURCES, source_options
from jcl.methods import METHODS
from jcl.models import DECODERS, ENCODERS, PROJECTORS, TEXT_ENCODERS
from jcl.optim.optimizers import OPTIMIZERS

# Sections that name a network.
NETWORKS = {
    "encoder": ENCODERS,
    "projector": PROJECTORS,
    "predictor": PROJECTORS,
    "text_encoder": TEXT_ENCODERS,
    "text_projector": PROJECTORS,
    "decoder": DECODERS,
}
# Sections that methods are built from; a method takes those that its constructor names.
OF_METHODS = (*NETWORKS, "teacher")
TABLES: Mapping[str, Mapping[str, str]] = {
    "data": SOURCES,
    "views": VIEWS,
    **NETWORKS,
    "method": METHODS,
    "optimizer": OPTIMIZERS,
}


def target(title: str, name: str) -> Callable:
    """The class or function of a name in a section; raises UserError as `resolve`."""
    return resolve(title, name, TABLES[title])


def named_options(title: str, name: str) -> dict[str, Option]:
    """The options of the class or function of this name."""
    return source_options(name) if title == "data" else options(target(title, name))


def option_of_views(config: ConfigDict, key: str) -> Any:
    """An option of the recipe of views, or its default; None if the recipe lacks this option."""
    value, taken = config.views.get(key), named_options("views", config.views.name)
    return taken[key].default if value is None and key in taken else value


def sections_of(method_name: str) -> list[str]:
    """The sections that a method is built from: its networks, and a teacher.

    They are the parameters of its constructor that have no default and are named like a section.
    """
    parameters = inspect.signature(target("method", method_name)).parameters
    return [
        title
        for title in OF_METHODS
        if title in parameters and parameters[title].default is inspect.Parameter.empty
    ]


def networks_of(method_name: str) -> list[str]:
    """The sections that a method's networks are built from."""
    return [title for title in sections_of(method_name) if title in NETWORKS]


def taken_options(config: ConfigDict) -> dict[str, dict[str, Option]]:
    """The options of each section of a config; "" is the config itself."""
    return {
        title: (named_options(title, config[title].name) if title in NAMED else {})
        | (options(FIXED[title]) if title in FIXED else {})
        for title in dict.fromkeys([*FIXED, *NAMED])
    }
