"""Weights into a safetensors file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from jcl.errors import UserError


def write_file(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays as PyTorch programs read them, whole or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(dict(arrays), unfinished, metadata={"format": "pt"})
        unfinished.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error
