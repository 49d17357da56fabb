"""Data in object stores, by fsspec: s3://, gs://, https:// and other protocols.

This is for data only; `jcl.runtime.folder` decides where a workdir may be. s3:// is tested against
moto's server. gs:// uses the same code with gcsfs; nobody has tried it on Google's storage.
"""

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from jcl.config.place import expanded
from jcl.errors import UserError
from jcl.runtime import workdir as workdir_lib

_CHUNK = 2**24  # bytes between two ticks of the progress bar
_MANIFEST = "copied.json"


def is_address(path: str) -> bool:
    """Whether it is an address such as s3://BUCKET/FILE, and not a path of this machine."""
    return "://" in path


def opened(path: str) -> str | io.BytesIO:
    """The expanded path for a path of this machine; the content in memory for an address.

    Raises:
        UserError: the address cannot be read.
        FileNotFoundError: there is nothing at the address.
    """
    if not is_address(path):
        return expanded(path)
    contents = io.BytesIO()
    with _told(path):
        fs, inside = _file_system(path)
        size = fs.size(inside)
        with fs.open(inside, "rb") as file, _bar(path, size) as bar:
            while part := file.read(_CHUNK):
                contents.write(part)
                bar.update(len(part))
    contents.seek(0)
    return contents


def local_data_dir(dir: str | None, name: str) -> str | None:
    """The data directory of a TFDS dataset; an address is copied to this machine.

    Record files are read by random access, which needs local files. So an address is copied once to
    $XDG_CACHE_HOME/jcl/data, or ~/.cache/jcl/data. A file that changed since is copied again, and
    one that is gone there is deleted here, so that a withdrawn version is not read.

    Args:
        dir: a folder, an address, or None.
        name: of the dataset, NAME, NAME/CONFIG, either with :VERSION.

    Raises:
        UserError: the address cannot be read or holds no such dataset, or the copy cannot be
            written.
    """
    if dir is None or not is_address(dir):
        return dir
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "jcl" / "data"
    copy = cache / hashlib.sha256(dir.rstrip("/").encode()).hexdigest()[:16]
    wanted = f"{dir.rstrip('/')}/{name.replace(':', '/')}"
    absent = UserError(f"data.dir={dir!r} is given, but it holds no prepared dataset {name!r}")
    try:
        with _told(wanted):
            fs, prefix = _file_system(wanted)
            root = _file_system(dir.rstrip("/"))[1]
            there = fs.find(prefix, detail=True)
    except FileNotFoundError as error:
        raise absent from error
    if not there:
        raise absent
    files = {os.path.relpath(path, root): (path, info) for path, info in there.items()}
    if any(name.startswith("..") for name in files):
        raise UserError(f"{wanted} lists files outside of it: {next(iter(files))}")
    try:
        _copy(fs, wanted, copy, files)
        _forget(copy, os.path.relpath(prefix, root), files)
    except OSError as error:
        raise UserError(f"{wanted} cannot be copied to {copy}: {error}") from error
    return str(copy)


def _copy(fs: Any, wanted: str, copy: Path, files: dict[str, tuple[str, dict]]) -> None:
    copy.mkdir(parents=True, exist_ok=True)
    manifest = copy / _MANIFEST
    have = json.loads(manifest.read_text()) if manifest.exists() else {}
    marks = {name: _mark(info) for name, (_, info) in files.items()}
    missing = [
        name for name in files if have.get(name) != marks[name] or not (copy / name).is_file()
    ]
    with _bar(wanted, sum(files[name][1]["size"] for name in missing)) as bar:
        for name in missing:
            path, info = files[name]
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}.{os.getpid()}")
            with _told(path):
                fs.get_file(path, str(part))
            os.replace(part, target)
            have[name] = marks[name]
            workdir_lib.write_atomically(manifest, json.dumps(have))
            bar.update(info["size"])


def _forget(copy: Path, dataset: str, files: Collection[str]) -> None:
    """Deletes the copies of a dataset's files that are not at the address any more."""
    manifest = copy / _MANIFEST
    have = json.loads(manifest.read_text())
    gone = [name for name in have if name.startswith(f"{dataset}/") and name not in files]
    for name in gone:
        (copy / name).unlink(missing_ok=True)
        del have[name]
    if gone:
        workdir_lib.write_atomically(manifest, json.dumps(have))


def _mark(info: dict) -> list[str]:
    """Values that change when a file changes."""
    keys = ("size", "ETag", "etag", "generation", "md5Hash", "LastModified", "mtime", "updated")
    return [str(info.get(key, "")) for key in keys]


def _file_system(address: str) -> tuple[Any, str]:
    import fsspec

    # Listings are not cached: a process that waited for another must see what that one wrote.
    return fsspec.core.url_to_fs(address, use_listings_cache=False)


@contextlib.contextmanager
def _told(address: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        # fsspec raises this for a server that does not answer, too.
        if isinstance(error.__cause__, OSError) and not isinstance(
            error.__cause__, FileNotFoundError
        ):
            raise UserError(f"{address} cannot be read: {error.__cause__}") from error
        raise
    except ImportError as error:  # fsspec names the package: "Install s3fs to access S3"
        raise UserError(f"{address} cannot be read: {error}") from error
    except Exception as error:  # each store's client raises its own: credentials, network, names
        detail = (str(error).splitlines() or [""])[0]
        raise UserError(
            f"{address} cannot be read ({type(error).__name__}: {detail}); the store's own "
            "environment variables and files give the credentials"
        ) from error


def _bar(what: str, size: int | None) -> tqdm:
    return tqdm(
        total=size,
        desc=f"Reading {what}",
        unit="B",
        unit_scale=True,
        disable=None,  # shown only on a terminal
    )
