"""Patterns of the names of parameters.

A name is the path to a parameter, joined by slashes: `encoder/stage0_block0/conv0/kernel`. A
pattern is a regular expression that must match from the start of the name up to a slash or the end.
`encoder` matches the whole encoder; `encoder/block1` does not match `encoder/block10`.
"""

import re

import jax

from jcl.errors import UserError


def parameter_name(path: tuple) -> str:
    """Joins a key path of `jax.tree_util` by slashes."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern matches a parameter, or a part of the network that contains it."""
    return re.match(rf"(?:{pattern})(?:(?<=/)|(?=/)|$)", name) is not None


def check_pattern(key: str, pattern: str) -> None:
    """Raises UserError with the config's key if a pattern is not a regular expression."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise UserError(f"{key}: {pattern!r} is not a regular expression: {error}") from error
