"""The identity of a dataset split, which a run records and a resumed run compares."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from jcl.data.source import Source
from jcl.errors import UserError

_FILES = ("subset", "groups")
_LOOKED_AT = 16  # examples whose bytes are hashed, evenly over the split

# In the types of JSON: see `identity`.
Identity = Mapping[str, Any]


def identity(
    source: Source, files: Mapping[str, str | None] = MappingProxyType({})
) -> dict[str, Any]:
    """Looks at some examples of a split, which are read twice, and at files that choose among all.

    Args:
        source: the split.
        files: option of `data` -> the file that it names (`files_of`); None: it is not set.

    Returns:
        {"examples": how many there are, "n_classes": number or None, "class_names": list or None,
        "example": {key: [dtype, shape of one]}, "sha256": {key: of some examples' bytes}, "files":
        {option: SHA-256 of the file}}. A key whose examples differ between two reads, as where a
        source draws something, has no hash.

    Raises:
        UserError: a file cannot be read.
    """
    rows = np.unique(np.linspace(0, len(source) - 1, _LOOKED_AT).round().astype(np.int64))
    examples, again = source.batch(rows), source.batch(rows)
    names = getattr(source, "class_names", None)
    return {
        "examples": len(source),
        "n_classes": None if source.n_classes is None else int(source.n_classes),
        "class_names": None if names is None else list(map(str, names)),
        "example": {
            key: [str(value.dtype), list(value.shape[1:])] for key, value in examples.items()
        },
        "sha256": {
            key: _hash(value)
            for key, value in examples.items()
            if _hash(value) == _hash(again[key])
        },
        "files": {key: _hash_of_file(key, path) for key, path in files.items() if path},
    }


def files_of(data: ConfigDict) -> dict[str, str | None]:
    """The files that options of the section `data` name and whose contents choose examples."""
    return {f"data.{key}": data.get(key) for key in _FILES}


def identity_number(found: Identity) -> int:
    """A number below 2^31 that is the same for equal identities."""
    digest = hashlib.sha256(repr(found).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def identity_changes(before: Identity, now: Identity) -> list[str]:
    """Lists "data, WHAT: before -> now" for each difference that matters to a run.

    A key that was added to the split, such as a target, does not matter to a run that started
    without it.
    """
    found = [
        f"data, {said}: {before[key]} -> {now[key]}"
        for key, said in (("examples", "number of examples"), ("n_classes", "number of classes"))
        if before[key] != now[key]
    ]
    names, names_now = before["class_names"], now["class_names"]
    if names and names_now and names != names_now and len(names) == len(names_now):
        pairs = [pair for pair in zip(names, names_now, strict=True) if pair[0] != pair[1]]
        found.append(f"data, name of a class: {pairs[0][0]!r} -> {pairs[0][1]!r}")
    files, files_now = before.get("files", {}), now["files"]  # earlier records have none
    found += [
        f"{key}: the file holds something else than when the run began"
        for key, digest in files.items()
        if files_now.get(key, digest) != digest
    ]
    for key, (dtype, shape) in before["example"].items():
        here = now["example"].get(key)
        if here is None:
            found.append(f"data, {key} of an example: {dtype}{shape} -> none")
        elif [dtype, shape] != here:
            found.append(f"data, {key} of an example: {dtype}{shape} -> {here[0]}{here[1]}")
    if not found:
        hashes = now["sha256"]
        differing = [k for k, h in before["sha256"].items() if hashes.get(k, h) != h]
        found += [
            f"data, {key} of some of {_LOOKED_AT} examples that were compared: other values"
            for key in differing
        ]
    return found


def _hash_of_file(option: str, path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{option}={path} cannot be read: {error.strerror}") from error


def _hash(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
