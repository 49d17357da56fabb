"""`arrays:PATH.npz`: a NumPy archive of anything that examples hold, read without pickle.

Keys begin with `train_` or `test_`. Inputs are `image` uint8 [n, H, W, C] or `features` float [n,
F], or both, or inputs of other names. `text` is strings [n]; or strings [n, K] if examples have up
to K texts, filled up with ""; or token ids integer [n, L] with `text_mask` bool [n, L]. Optional
keys are `label` [n], `target` number [n], `labels` uint8 [n, C] (multi-hot), `weight` number [n],
`group` integer [n]; and for pairs of texts `sts_pair` integer [n], equal for both texts of a pair
and negative outside of pairs, with `sts_score` number [n]. Any other key [n, ...] is passed on
under its name: numbers and booleans, floats as float32, integers as int32, bytes as bytes.

Images have 1 to 32 channels; grey images may be [n, H, W]. With `image_range`, which gives the
values of black and white, they may be of any numbers. Labels may be ids, texts or missing: see
`jcl.data.sources.labels`.
"""

import dataclasses
import zipfile
import zlib

import numpy as np

from jcl.data.remote import opened
from jcl.data.source import KNOWN, InMemorySource, MissingSplit, check_image_size
from jcl.data.sources.image_arrays import as_images
from jcl.data.sources.labels import LABEL, NO_LABEL, read_classes
from jcl.data.sources.scientific import check_range
from jcl.errors import UserError

SPLITS = ("train", "test")
# Kinds of arrays: the letters of NumPy's kinds, and words for messages.
_FLOATS, _NUMBERS, _INTEGERS = ("f", "float"), ("fiu", "float or integer"), ("iu", "integer")
_MEANT = {
    "features": (2, *_FLOATS, "[n, F]"),
    "target": (1, *_NUMBERS, "[n]"),
    "weight": (1, *_NUMBERS, "[n]"),
    "group": (1, *_INTEGERS, "[n]"),
    "sts_pair": (1, *_INTEGERS, "[n]"),
    "sts_score": (1, *_NUMBERS, "[n]"),
}
_BROKEN = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclasses.dataclass(frozen=True)
class Archive:
    """The content of an archive.

    Attributes:
        splits: for each split of the archive, its arrays: images uint8, or uint16 after scaling to
            a range; floats float32, integers int32, bytes and booleans unchanged.
        n_classes: of `label`, or None.
        class_names: of `label`, if it was renumbered.
    """

    splits: dict[str, dict[str, np.ndarray]]
    n_classes: int | None
    class_names: tuple[str, ...] | None


def arrays_source(
    path: str,
    split: str,
    *,
    image_size: int | None = None,
    image_range: tuple[float | int, ...] | None = None,
    label_key: str | None = None,
) -> InMemorySource:
    """`data.name="arrays:PATH.npz"`.

    Args:
        path: of the .npz file.
        split: "train" or "test".
        image_size: None, or the size that the images have.
        image_range: the values of black and white in the images, such as (0, 4095); images then
            keep 16 bits. It is needed for images that are not bytes. None keeps bytes unchanged.
        label_key: the key that holds the class, without train_ and test_; None for "label" if
            there is one, "none" for no label.

    Raises:
        UserError: names the file, and the key that is wrong.
    """
    check_range("data.image_range", image_range)
    archive = read_archive(path, image_range=image_range, label_key=label_key)
    if split not in archive.splits:
        raise MissingSplit(
            f"{path} has nothing that begins with {split}_"
            + ("; data.held_out takes some training examples instead" if split == "test" else "")
        )
    source = InMemorySource(
        archive.splits[split], n_classes=archive.n_classes, class_names=archive.class_names
    )
    check_image_size(f"arrays:{path}", image_size, source.image_shape)
    return source


def read_archive(
    path: str,
    *,
    image_range: tuple[float | int, ...] | None = None,
    label_key: str | None = None,
) -> Archive:
    """Reads and checks a whole archive.

    Args:
        path: of the .npz file.
        image_range: as `arrays_source` takes it.
        label_key: as `arrays_source` takes it.

    Raises:
        UserError: names the file, and the key that is wrong.
    """
    splits: dict[str, dict[str, np.ndarray]] = {}
    labels: dict[str, np.ndarray] = {}
    for name, array in _read_members(path).items():
        split, _, key = name.partition("_")
        if split not in SPLITS or not key:
            raise UserError(
                f"{path} has the key {name!r}, but keys are train_NAME and test_NAME, such as "
                "train_image"
            )
        arrays = splits.setdefault(split, {})
        if key == (label_key or LABEL):
            labels[split] = array
        elif key == "image":
            arrays[key] = as_images(f"{path} key {name!r}", array, image_range)
        elif key != LABEL:
            arrays[key] = _check(path, name, key, array)
    if label_key not in (None, NO_LABEL) and not labels:
        keys = ", ".join(sorted({key for arrays in splits.values() for key in arrays}))
        raise UserError(f"data.label_key={label_key!r} is given, but {path} has the keys {keys}")
    if image_range is not None and not any("image" in arrays for arrays in splits.values()):
        raise UserError(f"data.image_range={image_range} is given, but {path} holds no images")
    classes = read_classes(f"{path} key {label_key or LABEL!r}", labels)
    for split, arrays in splits.items():
        arrays |= {"label": classes.label[split]} if split in classes.label else {}
        arrays |= {"labels": classes.labels[split]} if split in classes.labels else {}
        _check_split(path, split, arrays)
    for key in sorted({key for arrays in splits.values() for key in arrays} - {*KNOWN}):
        if missing := [split for split, arrays in splits.items() if key not in arrays]:
            raise UserError(f"{path} has no {missing[0]}_{key}, but the other split has it")
        shapes = {split: arrays[key].shape[1:] for split, arrays in splits.items()}
        if len(set(shapes.values())) > 1:
            raise UserError(f"{path} has {key} of different shapes in its splits: {shapes}")
    if not splits:
        raise UserError(f"{path} is an empty archive")
    return Archive(splits, classes.n_classes, classes.class_names)


def _read_members(path: str) -> dict[str, np.ndarray]:
    """All arrays of an .npz file, unchecked."""
    try:
        archive = np.load(opened(path), allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except UserError:  # an address that cannot be read
        raise
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
                    f"{path} key {name!r} is unreadable: {_first_line(error)}{_hint(name, error)}"
                ) from error
    return members


def _hint(name: str, error: BaseException) -> str:
    """How to save what is an array of objects."""
    if "allow_pickle" not in str(error):
        return ""
    if name.endswith("_image"):
        return "; data.name=folder:PATH reads images of several sizes, from files"
    return "; save texts as array.astype(str)"


def _check(path: str, name: str, key: str, array: np.ndarray) -> np.ndarray:
    """The array in the dtype of a source, after checks of its rank, dtype and values."""
    given = f"{path} key {name!r} is {array.dtype}{list(array.shape)}, but it must be"
    if key == "labels":
        if array.dtype != np.uint8 or array.ndim != 2:
            raise UserError(f"{given} uint8 [n, C]")
    elif key in _MEANT:
        rank, kinds, said, shape = _MEANT[key]
        if array.dtype.kind not in kinds or array.ndim != rank:
            raise UserError(f"{given} {said} {shape}")
        if key in ("target", "weight", "sts_score"):
            with np.errstate(over="ignore"):
                array = array.astype(np.float32)
        elif key in ("group", "sts_pair") and array.dtype == np.uint8:
            array = array.astype(np.int32)  # uint8 would be taken for an image
    elif key == "text" and array.dtype.kind not in "iu":
        if array.dtype.kind != "U" or array.ndim not in (1, 2):
            raise UserError(f"{given} strings [n] or [n, K], or integer token ids [n, L]")
        return array
    elif array.dtype.kind not in "fiub" or array.ndim == 0:
        raise UserError(f"{given} numbers or booleans [n, ...]")
    return _narrowed(path, name, array)


def _narrowed(path: str, name: str, array: np.ndarray) -> np.ndarray:
    """Floats as float32 and integers as int32; refuses values that do not fit."""
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise UserError(f"{path} key {name!r} has values that are not finite in float32")
    elif array.dtype.kind in "iu" and array.dtype != np.uint8:
        limits = np.iinfo(np.int32)
        if array.size and (array.min() < limits.min or array.max() > limits.max):
            raise UserError(f"{path} key {name!r} has values that do not fit into int32")
        array = array.astype(np.int32)
    return array


def _check_split(path: str, split: str, arrays: dict[str, np.ndarray]) -> None:
    """Raises UserError if the arrays of a split do not match."""
    if not arrays.keys() - {*KNOWN}:
        raise UserError(
            f"{path} has no input for networks in its {split} split, such as "
            f"{split}_image or {split}_features"
        )
    lengths = {f"{split}_{key}": len(array) for key, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise UserError(f"{path} has arrays of different lengths: {lengths}")
    if 0 in lengths.values():
        raise UserError(f"{path} has no examples in its {split} split")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
