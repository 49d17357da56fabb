"""Lists a folder of images: its splits, classes and files, and what is left out.

* A split is a folder called train or training, or test, testing, val, valid or validation. Without
  a training folder, all images outside of the test folder are for training.
* A class is a folder directly in a split, at any depth of its images below. Images beside such
  folders have no class, and a single folder is not a class.
* A file is an image if its suffix is that of a format of `jcl.data.sources.image_file`; a file
  without a suffix is an image if its content is. Hidden files and the folders of editors and
  systems are ignored.
"""

import dataclasses
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import tqdm
from absl import logging

from jcl.data.sources.image_file import open_image, suffixes
from jcl.data.sources.labels import MISSING
from jcl.errors import UserError

TRAIN, TEST = "train", "test"
_TRAIN_NAMES = ("train", "training")
# In order of preference. If the training split has classes, a folder with classes comes first.
_TEST_NAMES = ("test", "testing", "val", "valid", "validation")
# Ignored, besides all names that begin with a dot.
_SYSTEM_NAMES = (
    *("__macosx", "@eadir", "#recycle", "#snapshot", "$recycle.bin", "system volume information"),
    *("lost+found", "__pycache__", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
)
_SYSTEM = "files and folders of editors and systems"


@dataclasses.dataclass(frozen=True)
class ImageFiles:
    """The image files of a folder.

    Attributes:
        folder: with ~ expanded.
        classes: their names, sorted; a label is a position among them. None without classes.
        files: of "train", and of "test" if there is such a split, (path, label) pairs in the order
            of classes and paths; a path is relative to the folder, and the label of an image
            without a class is -1.
        left_out: the number of ignored files and system folders of each kind.
    """

    folder: str
    classes: tuple[str, ...] | None
    files: dict[str, list[tuple[str, int]]]
    left_out: Counter[str]


def list_images(folder: str) -> ImageFiles:
    """Lists a folder by the rules above; opens no file that has a suffix.

    Raises:
        UserError: no such folder, or no image for training in it.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise UserError(f"{root} {what}, but a folder of images is needed")
    left_out: Counter[str] = Counter()
    # A large folder takes a while.
    bar = {"desc": f"Listing {root}", "unit": " images", "disable": not sys.stderr.isatty()}
    below = tqdm.tqdm(_walk(str(root), (), left_out, ()), **bar)
    parts = _parts(list(below), left_out)
    if not parts[TRAIN]:
        raise UserError(f"{root} has no image for training in it{_summary(left_out, ', only ')}")
    names = sorted({name for found in parts.values() for name, _ in found if name})
    if len(names) == 1:
        names = []  # a single class of all images has no information
    numbers = {name: i for i, name in enumerate(names)}
    files = {
        split: [(os.path.join(*path), numbers.get(name, MISSING)) for name, path in found]
        for split, found in parts.items()
    }
    return ImageFiles(str(root), tuple(names) or None, files, left_out)


def say_what_is_left_out(images: ImageFiles) -> None:
    """Logs the files that are ignored, and the images that have no class."""
    if images.left_out:
        logging.warning("%s: left out %s.", images.folder, _summary(images.left_out))
    if TEST not in images.files:
        logging.warning(
            "%s: there is no test split; data.held_out holds out a share of the training split.",
            images.folder,
        )
    if images.classes is None:
        logging.warning("%s: there are no folders of classes, so no labels.", images.folder)
        return
    for split, files in images.files.items():
        if missing := sum(label == MISSING for _, label in files):
            logging.warning(
                "%s: %d of %d %s images are not in the folder of a class, so they have no label.",
                *(images.folder, missing, len(files), split),
            )
    labels = [{label for _, label in files} - {MISSING} for files in images.files.values()]
    if len(labels) == 2 and all(labels) and labels[0] != labels[1]:
        odd = ", ".join(images.classes[i] for i in sorted(labels[0] ^ labels[1]))
        logging.warning("%s: only one of train and test has the classes %s.", images.folder, odd)


# A split: the class of each image, "" for none, and its path relative to the folder.
_Part = list[tuple[str, tuple[str, ...]]]


def _parts(below: list[tuple[str, ...]], left_out: Counter[str]) -> dict[str, _Part]:
    """Sorts paths below a folder into splits."""
    tops: dict[str, list[tuple[str, ...]]] = {}
    for path in below:
        tops.setdefault(path[0].lower() if len(path) > 1 else "", []).append(path)
    train = next((name for name in _TRAIN_NAMES if name in tops), None)
    tests = {name: _part(tops.pop(name), 1) for name in _TEST_NAMES if name in tops}
    # In a folder with cars and planes and without a test split, train is a class.
    if train is not None and (tests or not set(tops) - {train, ""}):
        parts = {TRAIN: _part(tops.pop(train), 1)}
        if outside := sum(map(len, tops.values())):
            left_out[f"images outside of {train} and {' and '.join(tests) or 'test'}"] += outside
    else:
        parts = {TRAIN: _part([path for paths in tops.values() for path in paths], 0)}
    if tests:
        told = any(name for name, _ in parts[TRAIN])
        like = [name for name, part in tests.items() if any(c for c, _ in part) == told]
        chosen = (like or list(tests))[0]
        parts[TEST] = tests.pop(chosen)
        for name, part in tests.items():
            left_out[f"images of {name}, as {chosen} is the test part"] += len(part)
    return parts


def _part(paths: list[tuple[str, ...]], depth: int) -> _Part:
    """A split whose class folders are at this depth."""
    return sorted((path[depth] if len(path) > depth + 1 else "", path) for path in paths)


def _walk(
    folder: str, below: tuple[str, ...], left_out: Counter[str], within: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    """The path of each image below a folder, as a tuple of names; counts other files.

    Links are followed, but not in a circle.
    """
    within = (*within, os.path.realpath(folder))
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        left_out["folders that may not be opened"] += 1
        return
    for entry in entries:
        name, path = entry.name.lower(), (*below, entry.name)
        if name.startswith(".") or name in _SYSTEM_NAMES:
            left_out[_SYSTEM] += 1
        elif entry.is_dir():
            if os.path.realpath(entry.path) not in within:
                yield from _walk(entry.path, path, left_out, within)
        elif not entry.is_file():
            left_out["broken links and the like"] += 1
        elif kind := _kind_of_no_image(entry.path):
            left_out[kind] += 1
        else:
            yield path


def _kind_of_no_image(path: str) -> str:
    """The kind of a file, for counts; "" for an image."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix:
        return "" if suffix in suffixes() else suffix
    try:
        with open_image(Path(path)):
            return ""
    except Exception:  # Pillow's plugins raise errors of many types
        return "files without a suffix that are no images"


def _summary(left_out: Counter[str], before: str = "") -> str:
    """Counts and kinds, such as "12 .txt, 1 .mp4", the most first."""
    counts = ", ".join(f"{count} {kind}" for kind, count in left_out.most_common())
    return counts and before + counts
