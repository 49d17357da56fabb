"""Writes feature vectors or images as an archive, which `arrays:PATH.npz` reads."""

import os
from pathlib import Path

import numpy as np

from jcl.data.prepare.write import check_name
from jcl.errors import UserError


def write_npz(splits: dict[str, dict[str, np.ndarray]], *, name: str, data_dir: str) -> Path:
    """Writes DATA_DIR/NAME.npz, which appears under its name only when it is complete.

    Args:
        splits: for train and test, arrays with the keys that `jcl.data.sources.arrays` names.
        name: of the dataset.
        data_dir: folder to write into.

    Returns:
        The path of the file.

    Raises:
        UserError: a bad name, a file that exists.
    """
    check_name(name)
    path = Path(data_dir, f"{name}.npz")
    if path.exists():
        raise UserError(f"{path} exists already: delete it first, or give another --name")
    members = {f"{split}_{key}": a for split, arrays in splits.items() for key, a in arrays.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    incomplete = path.with_name(f"incomplete.{name}.{os.getpid()}")
    try:
        with incomplete.open("wb") as file:
            # Strings of fixed length are mostly zeros, so compression pays.
            texts = any(array.dtype.kind == "U" for array in members.values())
            (np.savez_compressed if texts else np.savez)(file, **members)
        incomplete.rename(path)
    except BaseException:
        incomplete.unlink(missing_ok=True)
        raise
    return path
