"""Files with a value for the training examples of one dataset, such as indices or groups."""

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Integer

from jcl.data.source import Source
from jcl.errors import UserError

_INSPECTED = 64  # evenly spaced examples whose contents identify a dataset
_SEEN = ("image", "features", "video", "text")
_BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


def check_ending(path: str | Path) -> None:
    """Refuses a path that `write_side_file` would refuse, before the values are computed.

    Raises:
        UserError: the path does not end in .npz.
    """
    if Path(path).suffix != ".npz":
        raise UserError(f"the file must end in .npz, but {path} does not")


def write_side_file(
    path: str | Path, key: str, values: Integer[np.ndarray, " k"], *, name: str, train: Source
) -> None:
    """Writes an .npz file of integers and of the identity of their dataset.

    The same values give the same bytes. The file appears under its name only when it is complete.
    If it exists already with the same contents, nothing happens.

    Args:
        path: of the file; it ends in .npz.
        key: name of the values, such as "indices" or "groups".
        values: integers.
        name: of the dataset, as in data.name, for messages.
        train: the whole training split that the values belong to.

    Raises:
        UserError: another ending, a file with other contents, or a file that cannot be written.
    """
    check_ending(path)
    path = Path(path)
    members = {
        **{key: values.astype(np.int64), "name": np.array(name), "examples": np.array(len(train))},
        "digest": np.array(digest(train)),
    }
    if path.exists():
        if _holds(path, members):
            return
        raise UserError(f"{path} exists already with other contents: delete it first")
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
    """Reads the values of such a file, after a check that they belong to this dataset.

    A dataset is identified by its number of examples and the contents of some of them. So moving a
    file or folder does not matter. Labels and the like are not compared.

    Args:
        path: of the file.
        key: name of the values.
        option: the config key that names the file, such as "data.subset", for messages.
        name: of the dataset, as in data.name, for messages.
        train: the whole training split of the dataset.

    Raises:
        UserError: the file does not exist, lacks this key, or belongs to another dataset.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            values, of = archive[key], str(archive["name"])
            known = int(archive["examples"]), str(archive["digest"])
    except _BROKEN:
        raise UserError(
            f"{option}={path} is not a readable file with {key} of a dataset's examples"
        ) from None
    if known != (len(train), digest(train)):
        differ = ", of which some differ" if known[0] == len(train) else ""
        raise UserError(
            f"{option}={path} was made for data.name={of!r} with {known[0]} training examples, but "
            f"data.name={name!r} has {len(train)}{differ}: make the file for this dataset"
        )
    if values.ndim != 1 or values.dtype != np.int64:
        raise UserError(f"{option}={path} must hold {key} int64 [k]")
    return values


def digest(source: Source) -> str:
    """The identity of a split: SHA-256 of the network inputs of some of its examples."""
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
