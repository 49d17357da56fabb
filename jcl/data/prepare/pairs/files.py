"""Lists image files and their captions: tables with one row per caption, and COCO's JSON."""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from jcl.data.prepare.encoded import encoded
from jcl.data.prepare.write_pairs import Captioned
from jcl.errors import UserError

_COLUMNS = ("image", "caption")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}

# Image files in the order of their first caption, and all their captions.
CaptionedFiles = list[tuple[Path, list[str]]]


def list_captioned(path: str, images: str | None) -> CaptionedFiles:
    """Reads the captions of each image file.

    Args:
        path: of a .csv or .tsv table, with a header that names the columns image and caption, or of
            a .json file as COCO's captions are.
        images: the folder that names of images start from; None for the folder of `path`.

    Raises:
        UserError: a file of another kind, an empty caption, an image without a caption or one that
            does not exist.
    """
    file = Path(path)
    if file.suffix in _DELIMITERS:
        pairs = _read_table(file, _DELIMITERS[file.suffix])
    elif file.suffix == ".json":
        pairs = _read_coco(file)
    else:
        raise UserError(
            f"{path} is none of the files that captions are read from: .csv, .tsv, .json and .tar"
        )
    folder = file.parent if images is None else Path(images)
    captions: dict[str, list[str]] = {}
    for where, name, caption in pairs:
        if not caption.strip():
            raise UserError(f"{where} has an empty caption of {name}: leave it out or fill it in")
        captions.setdefault(name, []).append(caption.strip())
    files = [(folder / name, texts) for name, texts in captions.items()]
    # Checked before anything is written, because writing may take hours.
    missing = [name for name, _ in files if not name.is_file()]
    if missing:
        raise UserError(
            f"{path} names {len(missing)} images that do not exist, such as {missing[0]}; --images "
            "names their folder"
        )
    return files


def read_captioned(files: CaptionedFiles) -> Iterator[Captioned]:
    """Reads the images one after the other.

    Raises:
        UserError: a file that is not an image, or is damaged.
    """
    for path, captions in files:
        try:
            yield Captioned(encoded(path.read_bytes(), 3), captions)
        except (OSError, ValueError) as error:
            raise UserError(f"{path} is not an image, or is damaged: {error}") from error


def _read_table(path: Path, delimiter: str) -> Iterator[tuple[str, str, str]]:
    """For each row: its position for messages, the name of the image, and the caption."""
    with _open(path) as file:
        # Without `strict`, a cell that begins with a quotation mark may take in the next rows.
        rows = csv.DictReader(file, delimiter=delimiter, strict=True)
        try:
            if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
                raise UserError(
                    f"{path} has no column {missing[0]!r}: its first line must name the columns "
                    "image and caption"
                )
            for row in rows:
                name, caption = (row[column] for column in _COLUMNS)
                where = f"{path} line {rows.line_num}"
                if not name or caption is None or None in row:
                    raise UserError(
                        f"{where} has not as many cells as the first line names columns"
                    )
                yield where, name, caption
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is no text in UTF-8: save it as such") from error
        except csv.Error as error:
            raise UserError(
                f"{path} line {rows.line_num + 1} cannot be read: {error}; a cell that holds "
                'quotation marks stands in such marks, with each of its own twice: "a ""b"" c"'
            ) from error


def _read_coco(path: Path) -> Iterator[tuple[str, str, str]]:
    with _open(path) as file:
        try:
            listed = json.load(file)
            names = {image["id"]: image["file_name"] for image in listed["images"]}
            captions = [(c["image_id"], c["caption"].strip()) for c in listed["annotations"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path} is not a JSON file of captions as COCO has them, with images (id, "
                f"file_name) and annotations (image_id, caption): {error!r}"
            ) from error
    captioned = {image for image, _ in captions}
    if bare := [name for image, name in names.items() if image not in captioned]:
        raise UserError(f"{path} has {len(bare)} images without a caption, such as {bare[0]}")
    if unknown := sorted(captioned - names.keys()):
        raise UserError(
            f"{path} has captions of {len(unknown)} images that it does not list, such as the one "
            f"of id {unknown[0]}"
        )
    for image, caption in captions:
        yield str(path), names[image], caption


def _open(path: Path) -> Iterable[str]:
    try:
        return path.open(newline="", encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
