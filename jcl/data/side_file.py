"""Files that say something of the training examples of one dataset: which to take, their groups."""

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Integer

from jcl.data.source import Source
from jcl.errors import UserError

_INSPECTED = 64  # examples, evenly spaced, whose contents tell datasets apart
_SEEN = ("image", "features", "video", "text")
_BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


def write_side_file(
    path: str | Path, key: str, values: Integer[np.ndarray, " k"], *, name: str, train: Source
) -> None:
    """Writes an .npz file of integers, and of what dataset they speak.

    The same values give the same bytes. The file appears under its name only when it is complete.
    Where it is there already with the same contents, nothing happens.

    Args:
        path: of the file; it ends in .npz.
        key: what the values are, such as "indices" or "groups".
        values: integers.
        name: of the dataset, as data.name has it, for messages.
        train: the whole training split that the values speak of.

    Raises:
        UserError: another ending, a file that holds something else, or one that cannot be written.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise UserError(f"the file must end in .npz, and {path} does not")
    members = {
        **{key: values.astype(np.int64), "name": np.array(name), "examples": np.array(len(train))},
        "digest": np.array(digest(train)),
    }
    if path.exists():
        if _holds(path, members):
            return
        raise UserError(f"{path} exists already and holds something else: delete it first")
    incomplete = path.with_name(f"incomplete.{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with incomplete.open("wb") as file:
            np.savez(file, **members)
        incomplete.rename(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        incomplete.unlink(missing_ok=True)


def read_side_file(
    path: str, key: str, *, option: str, name: str, train: Source
) -> Integer[np.ndarray, " k"]:
    """Reads the values of such a file, once it is sure that they speak of this dataset.

    A dataset is known by its number of examples and the contents of some of them, so a file or
    folder that was moved is still the same. What is known of examples, such as labels, does not
    count.

    Args:
        path: of the file.
        key: what the values are.
        option: that names the file, such as "data.subset", for messages.
        name: of the dataset, as data.name has it, for messages.
        train: the whole training split of the dataset.

    Raises:
        UserError: no such file, not one with that key, or one of another dataset.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            values, of = archive[key], str(archive["name"])
            known = int(archive["examples"]), str(archive["digest"])
    except _BROKEN:
        raise UserError(
            f"{option}={path} is no file that can be read with {key} of a dataset's examples"
        ) from None
    if known != (len(train), digest(train)):
        differ = ", of which some differ" if known[0] == len(train) else ""
        raise UserError(
            f"{option}={path} was made of data.name={of!r} with {known[0]} training examples, and "
            f"data.name={name!r} has {len(train)}{differ}: make the file of this dataset"
        )
    if values.ndim != 1 or values.dtype != np.int64:
        raise UserError(f"{option}={path} must hold {key} int64 [k]")
    return values


def digest(source: Source) -> str:
    """What tells a split from another: SHA-256 of what networks see of some of its examples."""
    rows = np.unique(np.linspace(0, len(source) - 1, _INSPECTED).round().astype(np.int64))
    examples = source.batch(rows)
    seen = {key: value for key, value in examples.items() if key in _SEEN} or examples
    hashed = hashlib.sha256()
    for key, value in sorted(seen.items()):
        hashed.update(f"{key} {value.dtype.name} {value.shape}\n".encode())
        little = value.astype(value.dtype.newbyteorder("<"))
        hashed.update(np.ascontiguousarray(little).tobytes())
    return hashed.hexdigest()


def _holds(path: Path, members: dict[str, np.ndarray]) -> bool:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {*archive.files} == {*members} and all(
                np.array_equal(archive[key], value) for key, value in members.items()
            )
    except _BROKEN:
        return False
