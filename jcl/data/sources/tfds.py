"""`tfds:NAME`: any image dataset of TensorFlow Datasets, by random access.

A dataset on disk is read, even if TFDS has another one of the same name. A dataset that is not on
disk is downloaded and prepared by TFDS, unless `data.dir` is set: this folder must then hold it.
"""

import dataclasses
import importlib.util
import math
import os
import re
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from jcl.config.checks import check_count
from jcl.config.options import FREE_ON_RESUME, PATH
from jcl.data.remote import local_data_dir
from jcl.data.source import MissingSplit, Source
from jcl.data.sources.decode_all import IN_MEMORY_BYTES, decode_all
from jcl.data.sources.labels import LABEL, NO_LABEL
from jcl.data.sources.record_labels import WithLabels, read_record_classes
from jcl.data.sources.records import IMAGE_MASK, RecordSource
from jcl.errors import UserError


def tfds_source(
    name: str,
    split: str,
    *,
    dir: Annotated[str | None, FREE_ON_RESUME, PATH] = None,
    image_size: int | None = None,
    image_key: str = "image",
    label_key: str | None = None,
    text_key: str | None = None,
    captions: int | None = None,
    train_split: str = "train",
    test_split: str = "test",
) -> Source:
    """`data.name="tfds:NAME"`.

    Args:
        name: as in TFDS: NAME or NAME/CONFIG, optionally with :VERSION.
        split: "train" or "test".
        dir: TFDS data directory that holds the dataset; None for $TFDS_DATA_DIR, or
            ~/tensorflow_datasets, to which TFDS may also download the dataset.
        image_size: width and height in pixels; the shorter side is resized to it and the centre is
            cut out. None does not resize images.
        image_key: the feature that holds the image.
        label_key: the feature that holds the class; None for "label" if there is one, "none" for
            no label.
        text_key: the feature that holds a text or a sequence of texts; None for "text" if there is
            one.
        captions: number of texts that are read of each example, the first ones; None for all, if
            all examples have the same number.
        train_split: the TFDS split to train on, such as "train[:90%]".
        test_split: the TFDS split to test on.

    Raises:
        UserError: as `open_tfds`.
    """
    check_count("data.image_size", image_size)
    check_count("data.captions", captions)
    return open_tfds(
        name,
        {"train": train_split, "test": test_split}[split],
        dir=dir,
        image_key=image_key,
        label_key=label_key,
        text_key=text_key,
        captions=captions,
        image_size=image_size,
        label_splits=(train_split, test_split),
    )


def open_tfds(
    name: str,
    split: str,
    *,
    dir: str | None,
    image_key: str,
    label_key: str | None,
    text_key: str | None = None,
    captions: int | None = None,
    image_size: int | None = None,
    label_splits: tuple[str, ...] = (),
    in_memory_bytes: int = IN_MEMORY_BYTES,
) -> Source:
    """Opens one split of a TFDS dataset.

    Args:
        name: as in TFDS: NAME or NAME/CONFIG, optionally with :VERSION.
        split: as in TFDS, such as "train" or "train[:90%]".
        dir: TFDS data directory that holds the dataset; None for $TFDS_DATA_DIR, or
            ~/tensorflow_datasets, to which TFDS may also download the dataset.
        image_key: the feature that holds the image (uint8), or a sequence of S images, with the
            feature "image_mask" for those that exist.
        label_key: the feature that holds the class; None for "label" if there is one, "none" for
            no label. A number or a text that is not declared as a class is first read for all
            examples, and numbered.
        text_key: as in `tfds_source`.
        captions: as in `tfds_source`.
        image_size: the shorter side of every image is resized to this many pixels and the centre
            square is cut out. None does not resize images, which must then have one size.
        label_splits: the splits whose labels must have the same numbers, if there are several.
        in_memory_bytes: a split up to this size is decoded into memory.

    Returns:
        A source in memory, or one that decodes at every read. A scalar feature "target" is target.

    Raises:
        UserError: no such dataset, split or feature; images of different shapes; damaged files.
    """
    folder = _find_folder(name, local_data_dir(dir, name)) or _download(name, dir)
    info = _read_info(folder)
    features = info.features
    if label_key is None and LABEL in features:
        label_key = LABEL
    label_key = None if label_key == NO_LABEL else label_key
    if text_key is None and "text" in features and _is_text(features["text"]):
        text_key = "text"
    _check_features(folder, features, image_key, label_key)
    images = _number_of_images(features, image_key)
    if text_key is not None:
        captions = _number_of_captions(folder, features, text_key, captions)
    declared = label_key is not None and hasattr(features[label_key], "num_classes")
    length = _length(info, split)
    if not length:
        raise MissingSplit(
            f"the split {split!r} is given, but {folder} has {', '.join(sorted(info.splits))} "
            "(data.train_split and data.test_split choose, in TFDS's notation; data.held_out takes "
            "some training examples to test on)"
        )

    height, width, channels = features[image_key].shape[-3:]
    if image_size is not None:
        height = width = image_size
    source = RecordSource(
        folder=str(folder),
        split=split,
        length=length,
        image_key=image_key,
        label_key=label_key if declared else None,
        target_key="target" if "target" in features and _is_number(features["target"]) else None,
        image_shape=(height or 0, width or 0, channels or 3),
        n_classes=features[label_key].num_classes if declared else None,
        class_names=_class_names(features[label_key]) if declared else None,
        text_key=text_key,
        captions=captions if text_key else None,
        images=images,
        image_size=image_size,
    )
    # One record of every file is read, so that a damaged or missing file is found before training.
    takes = [file.take for file in info.splits[split].file_instructions]
    first, *_ = source.read(np.cumsum([0, *takes])[:-1])
    if height is None or width is None:
        shape = source.decode(0, first).shape
        source = dataclasses.replace(source, image_shape=shape)
    what, size = f"{split} of {folder}", length * (images or 1) * math.prod(source.image_shape)
    if label_key is not None and not declared:
        lengths = {name: _length(info, name) for name in (split, *label_splits)}
        lengths = {name: count for name, count in lengths.items() if count}
        classes = read_record_classes(source, label_key, lengths)
        if split in classes.label:
            label = classes.label[split], classes.n_classes, classes.class_names
            source = WithLabels(source, *label)
    if size > in_memory_bytes:
        source.batch(np.array([0, length - 1]))  # fails now if it fails at all
        return source
    return decode_all(source, what)


def _length(info: Any, split: str) -> int:
    """The number of examples of a split, 0 if there is no such split."""
    try:
        return info.splits[split].num_examples
    except (ValueError, KeyError, AssertionError):
        return 0


def _is_number(feature) -> bool:
    """Whether a feature is a number, and not a declared class, whose number has no order."""
    return feature.shape == () and not hasattr(feature, "num_classes")


def _find_folder(name: str, dir: str | None) -> Path | None:
    """The folder of the newest version of the dataset that is on disk, if any."""
    folder = _root(dir) / name.replace(":", "/")
    if (folder / "dataset_info.json").is_file():
        return folder
    versions = [
        path.parent
        for path in folder.glob("*/dataset_info.json")
        if re.fullmatch(r"\d+\.\d+\.\d+", path.parent.name)
    ]
    return max(versions, key=lambda p: [int(i) for i in p.name.split(".")], default=None)


def _root(dir: str | None) -> Path:
    return Path(dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def _download(name: str, dir: str | None) -> Path:
    """Lets TFDS download and prepare one of its datasets, into its default folder."""
    import tensorflow_datasets as tfds

    prepare = "python -m jcl.data.prepare makes a dataset of local files"
    if dir is not None:
        raise UserError(
            f"data.dir={dir!r} is given, but it holds no prepared dataset {name!r}; {prepare}"
        )
    try:
        builder = tfds.builder(name, file_format="array_record")
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        raise UserError(
            f"data.name='tfds:{name}' is given, but {_root(dir)} holds no prepared dataset of that "
            f"name and TFDS knows none ({_first_line(error)}); {prepare}"
        ) from error
    if importlib.util.find_spec("tensorflow") is None:  # TFDS would say so after the download
        raise UserError(
            f"data.name='tfds:{name}' is given and not prepared yet, and TFDS prepares it with "
            "TensorFlow, which is not installed (pip install tensorflow-cpu, for Python 3.11 to "
            f"3.13); {prepare}, and data.dir names the folder of one prepared elsewhere"
        )
    try:
        builder.download_and_prepare(file_format="array_record")
    except Exception as error:  # network, checksums, manual downloads, missing packages
        raise UserError(
            f"TFDS could not download and prepare {name!r} ({_first_line(error)}); {prepare}, and "
            "data.dir names the folder of one prepared elsewhere"
        ) from error
    return Path(builder.data_dir)


def _read_info(folder: Path) -> Any:
    """The metadata of a prepared dataset, after a check that they are usable."""
    import tensorflow_datasets as tfds

    try:
        info = tfds.builder_from_directory(folder).info
    except Exception as error:  # JSON and protobuf raise errors of many types
        raise UserError(f"{folder} is not a readable TFDS dataset: {_first_line(error)}") from error
    if info.file_format != tfds.core.FileFormat.ARRAY_RECORD:
        raise UserError(
            f"{folder} is prepared as {info.file_format.value}, but random access needs "
            "file_format=array_record"
        )
    return info


def _is_image(feature: Any) -> bool:
    """Whether a feature is an 8-bit image, or a sequence of a fixed number of them."""
    import tensorflow_datasets as tfds

    is_sequence = isinstance(feature, tfds.features.Sequence)
    one = feature.feature if is_sequence else feature
    fixed = not is_sequence or feature.shape[0] is not None
    return isinstance(one, tfds.features.Image) and one.np_dtype == np.uint8 and fixed


def _number_of_images(features: Any, image_key: str) -> int | None:
    """S of a sequence of images that has a mask; None for a single image."""
    number, *image_shape = features[image_key].shape
    if len(image_shape) == 2:
        return None
    if IMAGE_MASK not in features or tuple(features[IMAGE_MASK].shape) != (number,):
        raise UserError(
            f"data.image_key={image_key!r} has {number} images per example, but there is no "
            f"feature {IMAGE_MASK!r}, bool [{number}], that marks the images that exist"
        )
    return number


def _is_text(feature: Any) -> bool:
    """Whether a feature is a text or a sequence of texts."""
    import tensorflow_datasets as tfds

    one = feature.feature if isinstance(feature, tfds.features.Sequence) else feature
    return isinstance(one, tfds.features.Text)


def _number_of_captions(
    folder: Path, features: Any, text_key: str, captions: int | None
) -> int | None:
    """K of a sequence of texts; None for a single text."""
    if text_key not in features or not _is_text(features[text_key]):
        raise UserError(
            f"data.text_key={text_key!r} is given, but the texts of {folder} are "
            f"{[key for key, feature in features.items() if _is_text(feature)]}"
        )
    if not (shape := features[text_key].shape):
        return None
    if shape[0] is None and captions is None:
        raise UserError(
            f"the examples of {folder} have any number of {text_key!r}: data.captions must set how "
            "many are read at most"
        )
    return min(n for n in (shape[0], captions) if n is not None)


def _class_names(feature: Any) -> tuple[str, ...] | None:
    """Names of the classes, if they are not just numbers."""
    names = tuple(feature.names)
    return None if names == tuple(map(str, range(len(names)))) else names


def _check_features(folder: Path, features: Any, image_key: str, label_key: str | None) -> None:
    """Raises UserError if the named features are not an 8-bit image and a class."""
    import tensorflow_datasets as tfds

    images = [k for k, f in features.items() if _is_image(f)]
    if image_key not in images:
        raise UserError(
            f"data.image_key={image_key!r} is given or the default, but the 8-bit images of "
            f"{folder} are {images}"
        )
    one = {k: f for k, f in features.items() if isinstance(f, tfds.features.Tensor)}
    labels = sorted(k for k, f in one.items() if f.shape == ())
    if label_key is not None and label_key not in labels:
        raise UserError(
            f"data.label_key={label_key!r} is given or the default, but what can be a label of "
            f"{folder} is {labels}; data.label_key=none takes none"
        )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
