"""The file or folder that a path means: `~` and variables of the environment in it."""

import os
import re

from jcl.errors import UserError

_VARIABLE = re.compile(r"\$(\w+|\{\w+\})")


def expanded(path: str) -> str:
    """The path with the home folder for `~`, and `$NAME` and `${NAME}` replaced.

    A shell does that before a program sees it, but not within quotes, nor after `--workdir=`, nor
    in a config file: a folder of the name `~` or `$SCRATCH` would take what the run leaves.

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
