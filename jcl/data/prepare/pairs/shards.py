"""Reads WebDataset shards: tar files in which an image and its captions share a name."""

import dataclasses
import glob
import json
import tarfile
from collections.abc import Iterator
from typing import Any

from jcl.data.prepare.encoded import encoded
from jcl.data.prepare.write_pairs import Captioned
from jcl.errors import UserError

_IMAGES = ("jpg", "jpeg", "png", "webp")
_JSON_KEYS = ("caption", "captions", "text")
_NAMED = 5  # broken samples that a message names


@dataclasses.dataclass
class Broken:
    """Samples that were left out of a dataset, for a message at the end.

    Attributes:
        count: number of samples.
        first: the first of them, with reasons.
    """

    count: int = 0
    first: list[str] = dataclasses.field(default_factory=list)

    def add(self, name: str, why: object) -> None:
        """Counts one."""
        self.count += 1
        if len(self.first) < _NAMED:
            self.first.append(f"{name} ({why})")

    def said(self) -> str:
        """A sentence, or "" if no sample was broken."""
        if not self.count:
            return ""
        others = f" and {self.count - len(self.first)} more" * (self.count > len(self.first))
        return f"{self.count} broken samples are left out: {', '.join(self.first)}{others}"


def list_shards(pattern: str) -> list[str]:
    """The files that a pattern such as "shards/*.tar" names, sorted.

    Raises:
        UserError: there are none.
    """
    if not (found := sorted(glob.glob(pattern))):
        raise UserError(f"{pattern} names no file")
    return found


def read_shards(paths: list[str], captions: int, broken: Broken) -> Iterator[Captioned]:
    """Reads samples one after the other; nothing is unpacked to disk.

    A sample is a run of members whose names agree up to the first dot after the last slash. It has
    an image (jpg, jpeg, png, webp) and captions: the lines of a .txt, or `caption`, `captions` or
    `text` of a .json. Hidden files do not count.

    Args:
        paths: of the tar files.
        captions: largest number of captions of a sample; the first ones are taken.
        broken: counts samples whose image or caption is missing or cannot be read, and shards that
            end too early.
    """
    for path in paths:
        try:
            with tarfile.open(path) as archive:
                for name, members in _samples(archive):
                    try:
                        image = next((members[k] for k in _IMAGES if k in members), None)
                        texts = _captions(members)[:captions]
                        if image is None or not texts:
                            raise ValueError("no caption" if image else "no image")
                        yield Captioned(encoded(image, 3), texts)
                    except (OSError, SyntaxError, ValueError) as error:
                        broken.add(f"{path}:{name}", error)
        except (OSError, EOFError, tarfile.TarError) as error:
            broken.add(path, f"it cannot be read on: {error}")


def _samples(archive: tarfile.TarFile) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Names and members, by the lower-case end of their names."""
    now: str | None = None
    members: dict[str, bytes] = {}
    for member in archive:
        if not member.isfile():
            continue
        folder, slash, name = member.name.rpartition("/")
        stem, _, kind = name.partition(".")
        if not stem:  # a hidden file, such as ._NAME, which macOS puts beside every file
            continue
        if (sample := folder + slash + stem) != now:
            if now is not None:
                yield now, members
            now, members = sample, {}
        if (kind := kind.lower()) in (*_IMAGES, "txt", "json"):
            members[kind] = archive.extractfile(member).read()
        # TarFile would keep a record of every member that was read.
        archive.members = []
    if now is not None:
        yield now, members


def _captions(members: dict[str, bytes]) -> list[str]:
    if "txt" in members:
        # `splitlines` would also cut at characters within a line, such as U+2028.
        found: Any = members["txt"].decode().replace("\r", "\n").split("\n")
    else:
        held = json.loads(members.get("json", b"{}"))
        if not isinstance(held, dict):
            raise ValueError("JSON that is no object")
        found = next((held[key] for key in _JSON_KEYS if key in held), [])
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise ValueError("captions that are no strings")
    return [text.strip() for text in found if text.strip()]
