"""Weights of other libraries, from a safetensors file, under our names."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from jcl.errors import UserError
from jcl.weights.rules import Table, their_part

SUFFIX = ".safetensors"
_NAMED = 20  # names of each kind that a message lists


def read_file(path: str | Path) -> dict[str, np.ndarray]:
    """All arrays of a safetensors file, in their dtypes.

    Raises:
        UserError: there is no such file, or the file is none of safetensors.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    try:
        # PyTorch's bfloat16 has no counterpart in NumPy, and ml_dtypes' has (it comes with JAX).
        with safe_open(path, framework="flax") as file:
            return {name: np.asarray(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise UserError(f"{path} is no readable safetensors file: {error}") from error


def under_our_names(
    arrays: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
    tables: Sequence[Table],
    what: str,
) -> dict[str, np.ndarray]:
    """The arrays that an encoder of ours has, each from where one of the tables says that it is.

    The table is the one that knows the most names of the file. Names in the file may have a prefix,
    such as `module.` or `resnet.`, that all which are needed share. A file in which the network is
    there twice, under two prefixes, is refused.

    Args:
        arrays: of a file.
        shapes: name -> shape of every parameter and running statistic of the encoder.
        tables: of the encoder's kind.
        what: the file, for messages.

    Raises:
        UserError: what is missing in the file, what is there and has no place here, what has
            another shape, and what of the config to change; all at once.
    """
    table, prefix = _fitting(arrays, shapes, tables, what)
    arrays = table.merged(
        {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
    )
    found, used, problems = {}, set(), {"missing there": [], "of another shape": []}
    for name, shape in shapes.items():
        try:
            rule, theirs = table.rule(name)
        except UserError:
            problems["missing there"].append(name)
            continue
        if theirs not in arrays:
            problems["missing there"].append(f"{prefix}{theirs} (for {name})")
            continue
        used.add(theirs)
        try:
            array = their_part(rule, arrays[theirs])
        except ValueError:
            array = arrays[theirs]
        if array.shape != shape:
            told = f"{prefix}{theirs} {array.shape} instead of {shape} (for {name})"
            problems["of another shape"].append(told)
        found[name] = array
    extra = problems["extra there"] = [
        prefix + name
        for name in arrays
        if name not in used and not any(re.fullmatch(p, name) for p in table.ignored)
    ]
    if any(problems.values()):
        raise UserError(_told(problems, extra, table, what))
    return found


def _fitting(arrays, shapes, tables, what) -> tuple[Table, str]:
    """The table that knows most of the file's names, and the prefix that those have."""
    most, best, is_whole = 0, [], False
    for table in tables:
        wanted = set()
        for name in shapes:
            wanted |= {found for rule in table.rules if (found := rule.their_name(name))}
        anywhere = {table.landmark} if table.landmark else wanted
        for prefix in sorted(_prefixes(arrays, anywhere)):
            count = sum(prefix + name in arrays for name in wanted)
            if count > most:
                most, best, is_whole = count, [], count == len(wanted)
            if count and count == most:
                best.append((table, prefix))
    if not best:
        raise UserError(
            f"{what} holds {', '.join([*arrays][:3])}, ..., which are no names of "
            f"{' or '.join(table.library for table in tables) or 'an encoder of this kind'}"
        )
    prefixes = sorted({prefix for _, prefix in best})
    if is_whole and len(prefixes) > 1:
        raise UserError(
            f"{what} holds this network {len(prefixes)} times, with names that begin with "
            f"{' or '.join(map(repr, prefixes))}: write one of them alone into a file"
        )
    return best[0]


def _prefixes(arrays, wanted) -> set[str]:
    return {
        name.removesuffix(theirs)
        for theirs in wanted
        for name in arrays
        if name == theirs or name.endswith("." + theirs)
    }


def _told(problems, extra, table, what) -> str:
    told = [
        f"{len(names)} {kind}: {', '.join(names[:_NAMED])}{', ...' if len(names) > _NAMED else ''}"
        for kind, names in problems.items()
        if names
    ]
    needed = [option for p, option in table.options if any(re.fullmatch(p, n) for n in extra)]
    asked = f"; this file needs {' and '.join(needed)}" if needed else ""
    return f"{what}, read as {table.library}, does not fit this config: {'; '.join(told)}{asked}"
