"""`arrays:PATH.npz`: a NumPy archive of images or feature vectors, read without pickle.

The archive holds, for `train_` and `test_`: `image` uint8 [n, H, W, C] or `features` float
[n, F]; optionally `label` integer [n] from 0, and `target` number [n].
"""

import zipfile
import zlib

import numpy as np

from jcl.data.source import InMemorySource, check_image_size
from jcl.errors import UserError

SPLITS = ("train", "test")
_KEYS = ("image", "features", "label", "target")
_BROKEN = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


def arrays_source(path: str, split: str, *, image_size: int | None = None) -> InMemorySource:
    """`data.name="arrays:PATH.npz"`.

    Args:
        path: of the .npz file.
        split: "train" or "test".
        image_size: may say the size that the images have.

    Raises:
        UserError: naming the file, and the key where one is at fault.
    """
    source = open_arrays(path, split)
    check_image_size(f"arrays:{path}", image_size, source.image_shape)
    return source


def open_arrays(path: str, split: str) -> InMemorySource:
    """Opens one split of an archive.

    Args:
        path: of the .npz file.
        split: "train" or "test".

    Raises:
        UserError: naming the file, and the key where one is at fault.
    """
    splits = read_arrays(path)
    if split not in splits:
        raise UserError(f"{path} has no {split}_image and no {split}_features")
    labels = [arrays["label"] for arrays in splits.values() if "label" in arrays]
    n_classes = max(int(label.max()) + 1 for label in labels) if labels else None
    return InMemorySource(splits[split], n_classes=n_classes)


def read_arrays(path: str) -> dict[str, dict[str, np.ndarray]]:
    """Reads and checks a whole archive.

    Returns:
        For each split that the archive has, its arrays: image uint8 [n, H, W, C] or features
        float32 [n, F], label int32 [n], target float32 [n].

    Raises:
        UserError: naming the file, and the key where one is at fault.
    """
    splits: dict[str, dict[str, np.ndarray]] = {}
    for name, array in _read_members(path).items():
        split, _, key = name.partition("_")
        if split not in SPLITS or key not in _KEYS:
            allowed = ", ".join(_KEYS)
            raise UserError(
                f"{path} has the key {name!r}, but allowed are train_ and test_ {allowed}"
            )
        splits.setdefault(split, {})[key] = _check(path, name, key, array)
    for split, arrays in splits.items():
        _check_split(path, split, arrays)
    for key in ("image", "features"):
        shapes = {split: a[key].shape[1:] for split, a in splits.items() if key in a}
        if len(set(shapes.values())) > 1:
            raise UserError(f"{path} has {key} of different shapes in its splits: {shapes}")
    if len({"image" in arrays for arrays in splits.values()}) > 1:
        raise UserError(f"{path} has images in one split and features in the other")
    if not splits:
        raise UserError(f"{path} is an empty archive")
    return splits


def _read_members(path: str) -> dict[str, np.ndarray]:
    """All arrays of an .npz file, unchecked."""
    try:
        archive = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except _BROKEN as error:
        raise UserError(f"{path} is not a readable .npz archive: {_first_line(error)}") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise UserError(f"{path} is a single .npy array, not an .npz archive of named arrays")
    members = {}
    with archive:
        for name in archive.files:
            try:
                members[name] = archive[name]
            except _BROKEN as error:
                raise UserError(
                    f"{path} key {name!r} is unreadable: {_first_line(error)}"
                ) from error
    return members


def _check(path: str, name: str, key: str, array: np.ndarray) -> np.ndarray:
    """The array in the dtype of a source, once its rank, dtype and values are right."""
    given = f"{path} key {name!r} is {array.dtype}{list(array.shape)}, but it must be"
    if key == "image":
        if array.dtype != np.uint8 or array.ndim != 4:
            raise UserError(f"{given} uint8 [n, H, W, C]")
        return array
    if key == "label":
        if array.dtype.kind not in "iu" or array.ndim != 1:
            raise UserError(f"{given} integer [n]")
        if array.size and (array.min() < 0 or array.max() >= 2**31):
            raise UserError(f"{path} key {name!r} has values outside 0..2**31 - 1")
        return array.astype(np.int32)
    rank, shape = (2, "[n, F]") if key == "features" else (1, "[n]")
    kinds, kind_names = ("f", "float") if key == "features" else ("fiu", "float or integer")
    if array.dtype.kind not in kinds or array.ndim != rank:
        raise UserError(f"{given} {kind_names} {shape}")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise UserError(f"{path} key {name!r} has values that are not finite in float32")
    return array


def _check_split(path: str, split: str, arrays: dict[str, np.ndarray]) -> None:
    """Raises where the arrays of a split do not belong together."""
    if ("image" in arrays) == ("features" in arrays):
        raise UserError(f"{path} must have either {split}_image or {split}_features")
    lengths = {f"{split}_{key}": len(array) for key, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise UserError(f"{path} has arrays of different lengths: {lengths}")
    if 0 in lengths.values():
        raise UserError(f"{path} has no examples in its {split} split")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
