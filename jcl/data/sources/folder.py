"""`folder:PATH`: a folder of image files, read by random access without preparation.

Take it for a first try and for scientific images. For folders that many runs read, use
`python -m jcl.data.prepare`: it writes a few large files and leaves out unreadable images. Here an
unreadable image ends the run with its name.
"""

import dataclasses
import math
import os
from pathlib import Path

import numpy as np
from jaxtyping import Int32, Integer, Shaped

from jcl.config.checks import check_choice, check_count
from jcl.data.remote import is_address
from jcl.data.source import MissingSplit, Source
from jcl.data.sources.decode import decode_images, decode_named
from jcl.data.sources.decode_all import IN_MEMORY_BYTES, decode_all
from jcl.data.sources.image_file import open_image
from jcl.data.sources.image_files import TEST, TRAIN, list_images, say_what_is_left_out
from jcl.data.sources.labels import MISSING, NO_LABEL
from jcl.data.sources.pixels import MODES, has_16_bits, warn_of_16_bits
from jcl.data.sources.scientific import check_range
from jcl.errors import UserError


@dataclasses.dataclass(frozen=True)
class FolderSource:
    """One split of a folder of images, decoded at every read: see `jcl.data.source.Source`.

    Attributes:
        folder: the folder that holds the images.
        paths: of each image below the folder, in the system's encoding; worker processes get all of
            them.
        image_shape: (H, W, C) that every image must have.
        image_size: as in `jcl.data.sources.decode.decode_image`.
        image_range: as in `jcl.data.sources.decode.decode_image`.
        known_labels: of each image, -1 if it has no class; None if there are no classes.
        class_names: their names, or None.
    """

    folder: str
    paths: Shaped[np.ndarray, " n"]
    image_shape: tuple[int, int, int]
    image_size: int | None = None
    image_range: tuple[float | int, ...] | None = None
    known_labels: Int32[np.ndarray, " n"] | None = None
    class_names: tuple[str, ...] | None = None
    in_memory: bool = dataclasses.field(default=False, init=False)

    @property
    def n_classes(self) -> int | None:
        """The number of classes, or None."""
        return None if self.class_names is None else len(self.class_names)

    def __len__(self) -> int:
        return len(self.paths)

    def batch(self, indices: Integer[np.ndarray, " b"]) -> dict[str, np.ndarray]:
        """Reads and decodes the images at `indices`.

        Raises:
            UserError: an image is missing, damaged, or of another shape.
        """
        names = (os.path.join(self.folder, os.fsdecode(name)) for name in self.paths[indices])
        image = decode_images(
            ((name, _read(name)) for name in names),
            count=len(indices),
            shape=self.image_shape,
            image_size=self.image_size,
            image_range=self.image_range,
        )
        if self.known_labels is None:
            return {"image": image}
        return {"image": image, "label": self.known_labels[indices]}


def folder_source(
    path: str,
    split: str,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    image_range: tuple[float | int, ...] | None = None,
    label_key: str | None = None,
) -> Source:
    """`data.name="folder:PATH"`.

    Args:
        path: of a folder, whose splits, classes and files `jcl.data.sources.image_files` finds.
        split: "train" or "test".
        image_size: width and height in pixels; the shorter side is resized to it and the centre is
            cut out. None does not resize images, which must then have one size.
        channels: 1 (grey), 3 (RGB) or 4 (with transparency), to which images are converted; with
            `image_range`, the number that images must have. None means 3, and with `image_range`
            the number of the first image.
        image_range: the values of black and white, such as (0, 4095). TIFF files of any numbers and
            up to 32 channels, 8-bit images and 16-bit grey PNG files then keep 16 bits. None
            reduces images to 8 bits, the upper ones of 16.
        label_key: None for the folders as classes, "none" for no label.

    Raises:
        UserError: no such folder or split, an image that cannot be decoded, or images of different
            shapes.
    """
    check_count("data.image_size", image_size)
    check_range("data.image_range", image_range)
    check_choice("data.label_key", label_key, (NO_LABEL,))
    if image_range is None:
        if channels not in (None, *MODES):
            raise UserError(
                f"data.channels={channels} is given, but without data.image_range it must be 1, 3 "
                "or 4"
            )
        channels = channels or 3
    if is_address(path):
        raise UserError(
            f"data.name='folder:{path}' is an address, but folder: reads folders of this machine: "
            "mount it, or prepare it as a dataset, whose data.dir may be an address"
        )
    images = list_images(path)
    if split == TRAIN:
        say_what_is_left_out(images)
    if split not in images.files:
        raise MissingSplit(
            f"data.name='folder:{path}' has no {' or '.join((TEST, 'val'))} folder to test on: "
            "data.held_out=0.1 takes a tenth of the training images instead"
        )
    names, labels = zip(*images.files[split], strict=True)
    first_name = os.path.join(images.folder, names[0])
    first = decode_named(
        first_name,
        _read(first_name),
        channels=channels,
        image_size=image_size,
        image_range=image_range,
    )
    if image_range is None and split == TRAIN and _has_16_bits(first_name):
        warn_of_16_bits(first_name)
    label = np.array(labels, np.int32)
    classes = None if label_key == NO_LABEL else images.classes
    what = f"{split} of {images.folder}"
    source = FolderSource(
        folder=images.folder,
        paths=np.array([os.fsencode(name) for name in names]),
        image_shape=first.shape,
        image_size=image_size,
        image_range=image_range,
        known_labels=None if classes is None or (label == MISSING).all() else label,
        class_names=classes,
    )
    if len(source) * math.prod(first.shape) * first.itemsize <= IN_MEMORY_BYTES:
        return decode_all(source, what)
    source.batch(np.array([len(source) - 1]))  # fails now if it fails at all
    return source


def _has_16_bits(path: str) -> bool:
    with open_image(Path(path)) as image:
        return has_16_bits(image)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
