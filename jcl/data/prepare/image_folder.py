"""Checks of a folder of image files before they are written as records."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import tqdm

from jcl.data.order import permute
from jcl.data.sources.decode import oriented_size
from jcl.data.sources.image_file import open_image
from jcl.data.sources.image_files import TEST, TRAIN, ImageFiles
from jcl.data.sources.pixels import has_16_bits, is_grey, warn_of_16_bits
from jcl.errors import UserError


@dataclasses.dataclass
class Unreadable:
    """Files that could not be read, with the reasons; collected, or raised as an error at once.

    Attributes:
        strict: whether the first such file is an error.
        why: the reason for each path.
    """

    strict: bool
    why: dict[Path, str] = dataclasses.field(default_factory=dict)

    def add(self, path: Path, why: object) -> None:
        """Records a file; raises UserError if `strict`."""
        why = (str(why).splitlines() or [type(why).__name__])[0]
        if self.strict:
            raise UserError(f"{path} cannot be read: {why}")
        self.why[path] = why

    def summary(self) -> str:
        """A sentence and one line per file; "" if all files could be read."""
        if not self.why:
            return ""
        said = f"Left out {len(self.why)} files that cannot be read (--strict makes one an error):"
        return "\n".join([said, *(f"  {path}: {why}" for path, why in self.why.items())])


def with_held_out(images: ImageFiles, share: float | None, seed: int) -> ImageFiles:
    """The files with a test split, drawn from the training split if a share is given.

    Args:
        images: the files.
        share: share of the training images, above 0 and below 1, that becomes the test split; None
            draws none.
        seed: of the draw, any integer.

    Raises:
        UserError: there is a test split already, or one of the two would be empty.
    """
    if share is None:
        return images
    if TEST in images.files:
        raise UserError(f"held_out={share:g} is given, but {images.folder} has a test part")
    files = images.files[TRAIN]
    count = round(share * len(files)) if 0 < share < 1 else 0
    if not 0 < count < len(files):
        raise UserError(
            f"held_out={share:g} leaves {count} of {len(files)} images to test with; give a share "
            "above 0 and below 1 that leaves images in both parts"
        )
    order = permute(np.arange(len(files)), n=len(files), seed=seed, epoch=0)
    rows = {TRAIN: sorted(order[count:].tolist()), TEST: sorted(order[:count].tolist())}
    return dataclasses.replace(
        images, files={split: [files[i] for i in chosen] for split, chosen in rows.items()}
    )


def common_shape(files: list[Path], unreadable: Unreadable) -> tuple[int | None, int | None, int]:
    """(H, W, C) of images, read from their headers; H and W are None if images differ in size.

    C is 1 if every image is grey, and otherwise 3. Sizes are those after EXIF orientation. Files
    that are not images are added to `unreadable`.
    """
    sizes, grey, deep = set(), True, 0
    for path in tqdm.tqdm(files, desc="sizes", unit=" images", disable=not sys.stderr.isatty()):
        try:
            with open_image(path) as image:
                sizes.add(oriented_size(image))
                grey = grey and is_grey(image)
                deep += has_16_bits(image)
        except Exception as error:  # Pillow's plugins raise errors of many types
            unreadable.add(path, error)
    if deep:
        warn_of_16_bits(f"{deep} of {len(files)} images")
    width, height = sizes.pop() if len(sizes) == 1 else (None, None)
    return height, width, 1 if grey else 3
