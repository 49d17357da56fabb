"""Config files: `configs/NAME.py`, or `configs/NAME.py:batch=4096` with arguments."""

import re
import runpy
import traceback
from pathlib import Path

from ml_collections import ConfigDict

from jcl.config.place import expanded
from jcl.config.upgrade import gone_by_leaf
from jcl.errors import UserError


def read_config_file(named: str) -> ConfigDict:
    """Calls `get_config` of a file with the arguments after the colon; returns its config.

    Args:
        named: PATH or PATH:ARGUMENTS.

    Raises:
        UserError: the file is absent, has no `get_config`, or sets a key that no config has.
    """
    path, _, given = named.partition(":")
    path = expanded(path)
    if not Path(path).is_file():
        raise UserError(f"the config file {path} does not exist")
    try:
        get_config = runpy.run_path(path).get("get_config")
        if get_config is None:
            raise UserError(f"the config file {path} has no function get_config")
        config = get_config(*filter(None, [given]))
    except (Exception, SystemExit) as error:  # it is a program of the user's
        if isinstance(error, UserError) and str(error).startswith("the config file"):
            raise
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == path]
        if isinstance(error, SyntaxError) and error.filename == path:
            lines = [error.lineno]
        where = f", line {lines[-1]}" if lines else ""
        said = (str(error).split(" Other fields present")[0].splitlines() or [""])[0]
        # ConfigDict raises these for unknown keys and for values of another type.
        if isinstance(error, AttributeError | KeyError | TypeError | ValueError):
            said = said.strip("'\"")
        else:
            said = f"{type(error).__name__}: {said}"
        if absent := re.match(r'Key "(\w+)" does not exist', said):
            said = gone_by_leaf(absent[1]) or said
        raise UserError(f"the config file {path}{where}: {said}") from error
    if not isinstance(config, ConfigDict):
        raise UserError(f"the config file {path}: get_config returns no ConfigDict")
    return config
