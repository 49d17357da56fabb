"""The paths in a config: expansion of `~`, and the folder that relative paths start from."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jcl.config.options import Option
from jcl.config.place import expanded
from jcl.config.sections import full_key
from jcl.data import SOURCES
from jcl.experiment.tables import taken_options

# Names of data that are followed by a path: "arrays" in "arrays:PATH.npz".
_KINDS = tuple(key.partition(":")[0] for key in SOURCES if ":PATH" in key)


def is_path(key: str, value: Any, option: Option | None) -> bool:
    """Whether an option, or the name of the data, is the path of a file or a folder."""
    if key == "data.name":
        return isinstance(value, str) and value.partition(":")[0] in _KINDS
    return option is not None and option.is_path and value is not None


def change_paths(key: str, value: Any, change: Callable[[str], str]) -> Any:
    """The value of such an option with its path, or its paths, changed."""
    if key == "data.name":
        kind, _, path = value.partition(":")
        return f"{kind}:{change(path)}"
    if isinstance(value, str):
        return change(value)
    # Pairs of a pattern and a path, as in `init_from`. Other values are refused elsewhere.
    return type(value)((pair[0], change(pair[1])) if _is_pair(pair) else pair for pair in value)


def with_home(config: ConfigDict) -> None:
    """Expands `~` and variables in all paths of an opened config, in place."""
    _change_all(config, expanded)


def seen_from(config: ConfigDict, folder: str | None) -> list[str]:
    """Resolves the relative paths of a run's config, in place.

    Args:
        config: opened.
        folder: the folder in which the run was started; None if it is not known. If a path does not
            exist relative to this folder but exists relative to the current one, the run was moved,
            and the latter is used.

    Returns:
        A message about each path that is not the same relative to the current folder.
    """
    if folder is None or Path(folder) == Path.cwd():
        return []
    lines = []

    def resolve(path: str) -> str:
        if os.path.isabs(path) or "://" in path:
            return path
        found = os.path.join(folder, path)
        if not os.path.exists(found) and os.path.exists(path):
            found = os.path.abspath(path)
            lines.append(f"{path} of the saved config: {found}, as {folder} has no such thing")
        else:
            lines.append(
                f"{path} of the saved config: {found}, seen from where the run was started"
            )
        return found

    _change_all(config, resolve)
    return lines


def same_place(key: str, before: Any, now: Any, folder: str | None) -> bool:
    """Whether two paths agree; the first is relative to `folder`, the second to the current one."""

    def absolute(start: str) -> Callable[[str], str]:
        return lambda path: path if "://" in path else os.path.normpath(os.path.join(start, path))

    try:
        first = change_paths(key, before, absolute(folder or os.getcwd()))
        second = change_paths(key, now, absolute(os.getcwd()))
    except (AttributeError, TypeError):  # None, or pairs and one path
        return False
    return first == second


def paths_of(config: ConfigDict) -> Mapping[str, Any]:
    """The options of an opened config that are paths, as "section.key" -> value."""
    found = {}
    for title, taken in taken_options(config).items():
        section = config[title] if title else config
        for key in [*taken, *(["name"] if title == "data" else [])]:
            name, value = full_key(title, key), section.get(key)
            if is_path(name, value, taken.get(key)):
                found[name] = value
    return found


def _change_all(config: ConfigDict, change: Callable[[str], str]) -> None:
    for name, value in paths_of(config).items():
        title, _, key = name.rpartition(".")
        section = config[title] if title else config
        section[key] = change_paths(name, value, change)


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and isinstance(value[1], str)
