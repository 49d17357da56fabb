"""The config's part of a command line: --config=FILE[:args] and --config.KEY=VALUE."""

import ast
import difflib
import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from absl import flags
from ml_collections.config_flags.tuple_parser import TupleParser

from jcl.config.options import Option
from jcl.config.sections import refusal
from jcl.config.upgrade import gone
from jcl.config.values import fitted
from jcl.errors import UserError

_OVERRIDE = re.compile(r"--?(no)?config\.([^=]+)(?:=(.*))?", re.DOTALL)
_NAME = re.compile(r"--?config\.(\w+)\.name(?:=(.*))?", re.DOTALL)
_PARSERS = {
    bool: flags.BooleanParser(),
    float: flags.FloatParser(),
    str: flags.ArgumentParser(),
    tuple: TupleParser(),
}


def names_given(argv: Sequence[str]) -> dict[str, str]:
    """The names that the command line sets, by section: {"encoder": "vit_b"}; the last counts."""
    found = {}
    for argument, following in itertools.pairwise([*argv, ""]):
        if match := _NAME.fullmatch(argument):
            section, value = match.groups()
            found[section] = following if value is None else value
    return found


def take_overrides(
    argv: Sequence[str], known: Mapping[str, Option], names: Mapping[str, str]
) -> tuple[list[str], dict[str, Any]]:
    """Splits a command line into settings of config keys and other arguments.

    `--config.KEY=VALUE` and `--config.KEY VALUE` set a key. `--config.KEY` and `--noconfig.KEY` set
    a boolean key to True and False. If a key is given twice, the last one counts. Arguments after a
    bare `--` are not read.

    Args:
        argv: the command line.
        known: every key, such as "method.temperature", with its option.
        names: the names that sections have, for messages: {"method": "simclr"}.

    Returns:
        The other arguments, and {key: value}; None unsets.

    Raises:
        UserError: an unknown key, or a value that cannot be read as one of its type.
    """
    rest, given, i = [], {}, 0
    while i < len(argv) and argv[i] != "--":
        match = _OVERRIDE.fullmatch(argv[i])
        i += 1
        if match is None:
            rest.append(argv[i - 1])
            continue
        negated, key, text = match.groups()
        if key not in known:
            raise UserError(_unknown_key(key, text, known, names))
        if negated and (known[key].kind is not bool or text is not None):
            raise UserError(f"--noconfig.{key} cannot be read: {key} is not a boolean option")
        if text is None and known[key].kind is bool:
            text = "false" if negated else "true"
        elif text is None:
            if i == len(argv) or argv[i].startswith("--"):
                raise UserError(f"--config.{key} has no value")
            text, i = argv[i], i + 1
        given[key] = read_value(key, text, known[key])
    return [*rest, *argv[i:]], given


def read_value(key: str, text: str, option: Option) -> Any:
    """Reads a value of a type: `None` of any type, `1e5` as an int, `(4,8)` or `4,8` as a tuple.

    If an option has several types, a literal of one of them is read as such. Any other text is a
    string if str is among the types: for str and tuple, `runs/x` and `123` are strings.
    """
    if text == "None":
        return None
    try:
        if option.kind is int:
            return _read_int(text)
        if option.kind is object:
            return _read_literal(text, option.kinds)
        return _PARSERS[option.kind].parse(text)
    except (ValueError, TypeError) as error:
        form = ": write (1,2) or ('a','b')" if option.kind is tuple else ""
        raise UserError(f"{key}={text!r} cannot be read as {option.kind_name}{form}") from error


def _unknown_key(
    key: str, text: str | None, known: Collection[str], names: Mapping[str, str]
) -> str:
    """Suggests keys of a similar name, those of the same section first."""
    if said := gone(key, text):
        return said
    section, _, leaf = key.rpartition(".")
    beside = {name.rpartition(".")[2]: name for name in known if name.rpartition(".")[0] == section}
    if section in names:
        taken = [name for name in beside if name != "name"]
        return refusal(section, names[section], leaf, text, taken)
    near = [beside[found] for found in difflib.get_close_matches(leaf, beside, n=3)]
    near = near or difflib.get_close_matches(key, known, n=3)
    meant = near or sorted(beside.values()) or sorted(name for name in known if "." not in name)
    return f"config key {key} is unknown; did you mean {' or '.join(meant)}?"


def _read_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer():
            raise
        return int(number)


def _read_literal(text: str, kinds: tuple[type, ...]) -> Any:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return fitted(text, kinds)
    try:
        return fitted(value, kinds)
    except TypeError:
        return fitted(text, kinds)
