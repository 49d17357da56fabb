"""Reads IDX files, the format of MNIST and its relatives, gzipped or not.

Format: two zero bytes, a type code, the rank, the dimensions as big-endian 32-bit integers, then
the values, at https://yann.lecun.org/exdb/mnist ("the IDX file format").
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jcl.errors import UserError

_UINT8 = 0x08
_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def read_idx_folder(folder: str) -> dict[str, dict[str, np.ndarray]]:
    """Reads train and test images and labels from files named as MNIST's are.

    Args:
        folder: holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte
            and t10k-labels-idx1-ubyte, each with or without .gz.

    Returns:
        For each split, image uint8 [n, H, W, 1] and label int32 [n].

    Raises:
        UserError: names the file that is missing, damaged or does not match the others.
    """
    splits = {}
    for split, (image_name, label_name) in _FILES.items():
        image = read_idx(_find(folder, image_name), rank=3)[..., None]
        label = read_idx(_find(folder, label_name), rank=1).astype(np.int32)
        if len(image) != len(label):
            raise UserError(f"{folder} has {len(image)} {split} images but {len(label)} labels")
        splits[split] = {"image": image, "label": label}
    return splits


def read_idx(path: Path, rank: int) -> UInt8[np.ndarray, "..."]:
    """Reads one IDX file of unsigned bytes.

    Raises:
        UserError: the file is not an IDX file of `rank` dimensions of unsigned bytes, or holds more
            or fewer values than its header says.
    """
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if data[:4] != bytes([0, 0, _UINT8, rank]) or len(data) < 4 + 4 * rank:
        raise UserError(
            f"{path} is not an IDX file of {rank} dimensions of unsigned bytes: it begins with "
            f"{data[:4].hex(' ') or 'nothing'}, not 00 00 08 {rank:02x}"
        )
    shape = struct.unpack_from(f">{rank}I", data, 4)
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * rank)
    if values.size != math.prod(shape):
        raise UserError(
            f"{path} holds {values.size} values, but its header says {'x'.join(map(str, shape))}"
        )
    return values.reshape(shape)


def _find(folder: str, name: str) -> Path:
    for path in (Path(folder, name), Path(folder, f"{name}.gz")):
        if path.is_file():
            return path
    raise UserError(f"{folder} has neither {name} nor {name}.gz")
