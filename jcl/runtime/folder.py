"""Folders for workdirs: on this machine, or on Google Cloud Storage."""

import os
import re
from pathlib import Path

from etils import epath

from jcl.config.place import expanded
from jcl.errors import UserError

Folder = Path | epath.Path

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_WINDOWS = re.compile(r"[A-Za-z]:\\")
_GOOGLE = "gs://"
_INSTEAD = {
    "file": "give the path alone, {path}",
    "s3": "mount the bucket (mountpoint-s3, rclone mount) and give its folder, or train in a local "
    "folder and copy it with `aws s3 sync`",
    "gs": "write gs://BUCKET/FOLDER",
}


def folder_at(text: str) -> Folder:
    """The folder of an address; `~` and variables are expanded (`jcl.config.place`).

    gs://BUCKET/... is a folder on Google Cloud Storage. etils accesses it by gcsfs or TensorFlow,
    and Orbax by TensorStore. Nobody has tried this on Google's storage.

    Raises:
        UserError: an address of another kind; the message says what to do instead.
    """
    if not text:
        raise UserError("the folder has no name; is a variable of the shell unset?")
    text = expanded(text)
    found = _SCHEME.match(text)
    if _WINDOWS.match(text) and os.sep == "/":
        raise UserError(f"{text} is a path of Windows, which this system cannot use")
    if text.startswith(_GOOGLE):
        return epath.Path(text)
    if found:
        scheme, path = found[1].lower(), "/" + text[found.end() :].lstrip("/")
        instead = _INSTEAD.get(scheme, "mount that storage and give its folder here").format(
            path=path
        )
        raise UserError(
            f"{text} is an address and not a folder of a file system, which runs need: {instead}"
        )
    return Path(text)


def local_folder(text: str | Path) -> Path:
    """The folder of an address on this machine; raises UserError for any other."""
    folder = folder_at(str(text))
    if is_remote(folder):
        raise UserError(f"{text} is on Google's storage, but a folder of this machine is needed")
    return folder


def absolute(folder: Folder) -> Folder:
    """The absolute folder; etils's own function would put the current folder before gs://."""
    return folder if is_remote(folder) else folder.absolute()


def is_remote(folder: Folder) -> bool:
    """Whether the folder is on Google Cloud Storage."""
    return str(folder).startswith(_GOOGLE)
