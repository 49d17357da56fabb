"""Writes images as a TFDS dataset of array_record files, which `jcl.data.sources.tfds` reads.

The dataset is DATA_DIR/NAME/VERSION, with the splits train and test and the features image, label
and target (if there are any). Records have the order of the source. TensorFlow is not needed.
"""

import contextlib
import itertools
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tqdm
from absl import logging

from jcl.data.prepare.encoded import encode_png, encoded
from jcl.data.prepare.image_folder import Unreadable, common_shape, with_held_out
from jcl.data.sources.image_files import list_images, say_what_is_left_out
from jcl.data.sources.labels import MISSING
from jcl.errors import UserError

_SHARD_EXAMPLES = 10_000
_CHUNK = 500


def write_arrays(
    splits: dict[str, dict[str, np.ndarray]],
    *,
    name: str,
    data_dir: str,
    version: str | None = None,
    class_names: Sequence[str] | None = None,
) -> Path:
    """Writes arrays as a TFDS dataset.

    Args:
        splits: for train and test, image uint8 [n, H, W, C] with C of 1, 3 or 4, and optionally
            label int32 [n], -1 for an example without one, and target float32 [n]. Both splits have
            the same keys, except that one may lack the label.
        name: of the dataset.
        data_dir: TFDS data directory.
        version: like 1.0.0. None takes the version of TFDS's own dataset of this name, so that TFDS
            finds this one too, or 1.0.0 if TFDS has none.
        class_names: of all classes, by label; None if they have no names.

    Returns:
        The folder of the dataset.

    Raises:
        UserError: arrays that do not match, a bad name, a dataset that exists.
    """
    if set(splits) != {"train", "test"}:
        raise UserError(f"a train and a test split are needed, but given is {sorted(splits)}")
    if any("label" in arrays for arrays in splits.values()):
        splits = {
            split: {"label": np.full(len(next(iter(arrays.values()))), MISSING), **arrays}
            for split, arrays in splits.items()
        }
    keys = {split: sorted(arrays) for split, arrays in splits.items()}
    if keys["train"] != keys["test"]:
        raise UserError(f"the splits must have the same keys, but they have {keys}")
    if "image" not in keys["train"]:
        raise UserError(f"images are needed, but given is {keys['train']}")
    shape = splits["train"]["image"].shape[1:]
    if shape[-1] not in (1, 3, 4):
        raise UserError(f"images have {shape[-1]} channels, but they must have 1, 3 or 4")
    classes = None
    if "label" in keys["train"]:
        counted = 1 + max(int(arrays["label"].max()) for arrays in splits.values())
        classes = counted if class_names is None else list(class_names)

    def examples(arrays: dict[str, np.ndarray]) -> Iterator[dict]:
        for i, image in enumerate(arrays["image"]):
            rest = {key: arrays[key][i] for key in arrays if key != "image"}
            yield {"image": encode_png(image), **rest}

    return write_records(
        {split: (len(a["image"]), examples(a)) for split, a in splits.items()},
        _features(shape, classes, has_target="target" in keys["train"]),
        name=name,
        data_dir=data_dir,
        version=version,
    )


def write_image_folder(
    folder: str,
    *,
    name: str,
    data_dir: str,
    version: str | None = None,
    held_out: float | None = None,
    seed: int = 0,
    strict: bool = False,
) -> Path:
    """Writes a folder of images, see `jcl.data.sources.image_files`, as a TFDS dataset.

    Files that are left out are logged: those that are not images at the start, those that cannot be
    read at the end.

    Args:
        folder: of images.
        name: as in `write_arrays`.
        data_dir: as in `write_arrays`.
        version: as in `write_arrays`.
        held_out: the share of the training images that becomes the test split, if there is none;
            None leaves the dataset without one.
        seed: of the choice of these images.
        strict: whether an image that cannot be read is an error; nothing is then written.

    Raises:
        UserError: a split has no readable image, a bad name, a dataset that exists.
    """
    images = with_held_out(list_images(folder), held_out, seed)
    say_what_is_left_out(images)
    unreadable = Unreadable(strict)
    paths = [Path(images.folder, name) for files in images.files.values() for name, _ in files]
    shape = common_shape(paths, unreadable)

    def examples(split: str, files: list[tuple[str, int]]) -> Iterator[dict]:
        read = 0
        for name, label in files:
            path = Path(images.folder, name)
            if path in unreadable.why:
                continue
            try:
                image = encoded(path.read_bytes(), shape[-1])
            except (OSError, ValueError) as error:
                unreadable.add(path, error)
                continue
            read += 1
            yield {"image": image} | ({} if images.classes is None else {"label": label})
        if not read:
            path, why = next(iter(unreadable.why.items()))
            raise UserError(f"no {split} image of {folder} can be read, such as {path}: {why}")

    classes = None if images.classes is None else list(images.classes)
    path = write_records(
        {split: (len(files), examples(split, files)) for split, files in images.files.items()},
        _features(shape, classes, has_target=False),
        name=name,
        data_dir=data_dir,
        version=version,
    )
    if unreadable.why:
        logging.warning("%s", unreadable.summary())
    return path


def check_name(name: str) -> None:
    """Raises UserError for a name of a dataset that TFDS or a file system could not take."""
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise UserError(f"name={name!r} is given, but it must match [a-z][a-z0-9_]*")


def write_records(
    splits: dict[str, tuple[int | None, Iterable[dict]]],
    features: dict[str, Any],
    *,
    name: str,
    data_dir: str,
    version: str | None,
) -> Path:
    """Writes examples in the order in which they come.

    Args:
        splits: for train and test, the number of examples (None if it is not known before they are
            read) and the examples, feature by feature, with encoded images.
        features: TFDS features by name.
        name: as in `write_arrays`.
        data_dir: as there.
        version: as there.

    Returns:
        The folder of the dataset.

    Raises:
        UserError: a bad name or version, a dataset that exists, or a split without an example.
    """
    check_name(name)
    if version is not None and not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise UserError(f"version={version!r} is given, but it must be like 1.0.0")
    import tensorflow_datasets as tfds

    version = version or _registered_version(name) or "1.0.0"
    folder = Path(data_dir, name, version)
    if folder.exists():
        raise UserError(f"{folder} exists already: delete it first, or give another --version")
    # Everything is written into a folder with a temporary name, which readers ignore. The folder
    # gets its real name when it is complete.
    incomplete = folder.with_name(f"incomplete.{version}.{os.getpid()}")
    incomplete.mkdir(parents=True)
    try:
        _write_all(incomplete, name, version, tfds.features.FeaturesDict(features), splits)
        incomplete.rename(folder)
    except BaseException:
        shutil.rmtree(incomplete)
        with contextlib.suppress(OSError):  # fails if other versions are in it
            folder.parent.rmdir()
        raise
    return folder


def _features(
    shape: tuple[int | None, ...], classes: int | list[str] | None, *, has_target: bool
) -> dict[str, Any]:
    """The features of an example: image, and label and target if there are any."""
    import tensorflow_datasets as tfds

    features = {"image": tfds.features.Image(shape=shape)}
    if isinstance(classes, int):
        features["label"] = tfds.features.ClassLabel(num_classes=classes)
    elif classes is not None:
        features["label"] = tfds.features.ClassLabel(names=classes)
    if has_target:
        features["target"] = tfds.features.Scalar(np.float32)
    return features


def _write_all(
    folder: Path,
    name: str,
    version: str,
    features: Any,
    splits: dict[str, tuple[int | None, Iterable[dict]]],
) -> None:
    """Writes records and metadata of all splits into `folder`, in the order given."""
    import tensorflow_datasets as tfds

    # Not a TFDS DatasetBuilder, which shuffles, uses the network, and needs TensorFlow.
    identity = tfds.core.DatasetIdentity(
        name=name, version=tfds.core.Version(version), data_dir=str(folder), module_name=""
    )
    info = tfds.core.DatasetInfo(
        builder=identity,
        description="Prepared from local files by jcl.data.prepare.",
        features=features,
    )
    writer = tfds.core.SequentialWriter(
        info, max_examples_per_shard=_SHARD_EXAMPLES, file_format="array_record"
    )
    writer.initialize_splits(list(splits))
    for split, (length, examples) in splits.items():
        # The writer rewrites the metadata at every call, which costs milliseconds.
        bar = tqdm.tqdm(
            examples,
            total=length,
            desc=split,
            unit=" examples",
            mininterval=0.1 if sys.stderr.isatty() else 30,  # seconds; a log needs few lines
        )
        remaining, written = iter(bar), 0
        while chunk := list(itertools.islice(remaining, _CHUNK)):
            writer.add_examples({split: chunk})
            written += len(chunk)
        if not written:
            raise UserError(f"the {split} split of {name} would have no example")
    writer.close_all()


def _registered_version(name: str) -> str | None:
    """The version of TFDS's own dataset of that name, if there is one without configs."""
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder_cls(name)
    except tfds.core.DatasetNotFoundError:
        return None
    return None if builder.BUILDER_CONFIGS else str(builder.VERSION)
