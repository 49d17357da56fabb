"""Paths in configs: `~` and variables of the environment are expanded."""

import os
import re

from jcl.errors import UserError

_VARIABLE = re.compile(r"\$(\w+|\{\w+\})")


def expanded(path: str) -> str:
    """The path with the home folder for `~`, and `$NAME` and `${NAME}` replaced.

    A shell does this before a program sees the path, but not within quotes, not after `--workdir=`,
    and not in a config file. The run would otherwise write to a folder called `~` or `$SCRATCH`.

    Raises:
        UserError: no such user or variable.
    """
    found = os.path.expanduser(path)
    if found.startswith("~"):
        raise UserError(f"{path} begins with {found.split('/')[0]}, and there is no such user")
    if os.path.lexists(found):  # a name with a dollar sign
        return found
    found = os.path.expandvars(found)
    if unknown := _VARIABLE.search(found):
        raise UserError(f"{path} names {unknown[0]}, which is not set in the environment")
    return found
