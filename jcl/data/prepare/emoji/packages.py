"""Reads files out of the npm packages of emoji, as `npm pack` writes them."""

import json
import tarfile
from pathlib import Path
from typing import Any

from jcl.errors import UserError

# Each style is one package; the name is that of the package and of Iconify's set.
STYLES = (
    *("noto", "noto-v1", "twemoji", "openmoji", "fluent-emoji", "fluent-emoji-flat"),
    *("emojione", "emojione-v1", "fxemoji"),
)
_NAMES = "emojibase-data"


def read_style(folder: str, style: str, member: str) -> Any:
    """A JSON file of the package @iconify-json/STYLE; see `read_names`."""
    return _read(folder, f"iconify-json-{style}", member)


def read_names(folder: str, member: str) -> Any:
    """A JSON file of the package emojibase-data.

    Args:
        folder: of the packages, NAME-VERSION.tgz, one version of each.
        member: the file in the package, such as "en/data.json".

    Returns:
        The content of the file; {} if the package has no such file.

    Raises:
        UserError: no such package, several versions of it, or a damaged one.
    """
    return _read(folder, _NAMES, member)


def _read(folder: str, package: str, member: str) -> Any:
    found = sorted(Path(folder).glob(f"{package}-[0-9]*.tgz"))
    if len(found) != 1:
        raise UserError(
            f"{folder} holds {len(found)} files {package}-VERSION.tgz, but one is needed; "
            "`make emoji` fetches them"
        )
    try:
        with tarfile.open(found[0]) as archive:
            return json.load(archive.extractfile(f"package/{member}"))
    except KeyError:
        return {}
    except (OSError, EOFError, ValueError, tarfile.TarError) as error:
        raise UserError(f"{found[0]} is damaged: {error}; delete it and fetch it again") from error
