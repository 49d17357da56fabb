"""Reads folders of image files: DIR/train/CLASS/*.png and DIR/test/CLASS/*.jpg."""

import dataclasses
from pathlib import Path

import PIL.Image

from jcl.errors import UserError

_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclasses.dataclass(frozen=True)
class ImageFolder:
    """Image files, their labels and what they have in common.

    Attributes:
        classes: names of the classes, sorted; a label is a position in them.
        files: for each split, (path, label) pairs, sorted by path.
        shape: (H, W, C), with None for H and W where images differ in size; C is 1 where every
            image is grey, else 3.
    """

    classes: list[str]
    files: dict[str, list[tuple[Path, int]]]
    shape: tuple[int | None, int | None, int]


def read_image_folder(folder: str) -> ImageFolder:
    """Lists DIR/{train,test}/CLASS/* and reads the header of every image.

    Raises:
        UserError: where a split is missing or empty, the splits have different classes, or a
            file is not an image.
    """
    splits = {split: _list_split(Path(folder, split)) for split in ("train", "test")}
    names = {split: sorted(classes) for split, classes in splits.items()}
    if names["train"] != names["test"]:
        odd = sorted(set(names["train"]) ^ set(names["test"]))
        raise UserError(f"{folder} has these classes in only one of train and test: {odd}")
    files = {
        split: [(path, label) for label, name in enumerate(names[split]) for path in classes[name]]
        for split, classes in splits.items()
    }
    sizes, grey = set(), True
    for path, _ in files["train"] + files["test"]:
        with _open(path) as image:
            sizes.add(image.size)
            grey = grey and image.mode == "L"
    width, height = sizes.pop() if len(sizes) == 1 else (None, None)
    return ImageFolder(names["train"], files, (height, width, 1 if grey else 3))


def _list_split(folder: Path) -> dict[str, list[Path]]:
    """The image files of each class, sorted."""
    if not folder.is_dir():
        raise UserError(f"{folder} does not exist, but an image folder has train and test in it")
    classes = {
        entry.name: sorted(p for p in entry.iterdir() if p.suffix.lower() in _SUFFIXES)
        for entry in sorted(folder.iterdir())
        if entry.is_dir()
    }
    empty = [name for name, files in classes.items() if not files]
    if empty or not classes:
        raise UserError(
            f"{folder / empty[0] if empty else folder} has no {', '.join(_SUFFIXES)} files "
            "in folders named after classes"
        )
    return classes


def _open(path: Path) -> PIL.Image.Image:
    try:
        return PIL.Image.open(path, formats=("PNG", "JPEG"))
    except (OSError, SyntaxError) as error:
        raise UserError(f"{path} is not a PNG or JPEG image: {error}") from error
