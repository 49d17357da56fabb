"""Image files as records take them: what they have in common."""

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
    """Files that could not be read, and why: collected, or raised at once.

    Attributes:
        strict: whether the first one is an error.
        why: of each path.
    """

    strict: bool
    why: dict[Path, str] = dataclasses.field(default_factory=dict)

    def add(self, path: Path, why: object) -> None:
        """Notes a file; raises UserError where that is to be an error."""
        why = (str(why).splitlines() or [type(why).__name__])[0]
        if self.strict:
            raise UserError(f"{path} cannot be read: {why}")
        self.why[path] = why

    def summary(self) -> str:
        """A sentence, and a line a file; "" where all could be read."""
        if not self.why:
            return ""
        said = f"Left out {len(self.why)} files that cannot be read (--strict makes one an error):"
        return "\n".join([said, *(f"  {path}: {why}" for path, why in self.why.items())])


def with_held_out(images: ImageFiles, share: float | None, seed: int) -> ImageFiles:
    """The files with a test part, drawn from the training part where a share is given.

    Args:
        images: the files.
        share: of the training images, above 0 and below 1, that become the test part; None draws
            none.
        seed: of the draw, any integer.

    Raises:
        UserError: there is a test part already, or one of the two would be empty.
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
            "above 0 and below 1 under which both parts have some"
        )
    order = permute(np.arange(len(files)), n=len(files), seed=seed, epoch=0)
    rows = {TRAIN: sorted(order[count:].tolist()), TEST: sorted(order[:count].tolist())}
    return dataclasses.replace(
        images, files={split: [files[i] for i in chosen] for split, chosen in rows.items()}
    )


def common_shape(files: list[Path], unreadable: Unreadable) -> tuple[int | None, int | None, int]:
    """(H, W, C) of images, by their headers; None for H and W where they differ.

    C is 1 where every image is grey, else 3. Images are as they are meant to be seen. What is no
    image is added to `unreadable`.
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
