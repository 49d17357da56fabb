"""The records of a run in its workdir: config, code, machine."""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from jcl import config as config_lib
from jcl.errors import UserError
from jcl.runtime.folder import Folder, is_remote

CONFIG = "config.json"
RUN = "run.json"
RESULTS = "results.json"  # of the newest checkpoint
FIGURES = "figures"  # beside these results
TOKENIZER = "tokenizer.json"  # of runs whose texts are strings
_PACKAGES = (
    *("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy", "tokenizers"),
    "jcl",
)


def create(workdir: Folder) -> None:
    """Makes the folder if it is missing.

    Raises:
        UserError: the folder cannot be made or written to.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        probe = workdir / f".writable-{os.getpid()}"
        probe.write_text("")
        probe.unlink()
    except (OSError, ValueError) as error:  # ValueError for a name with a null byte
        said = getattr(error, "strerror", None) or error
        raise UserError(f"the workdir {workdir} cannot be written: {said}") from error
    except (
        Exception
    ) as error:  # from one of the libraries for Google's storage, or if none is there
        if not is_remote(workdir):
            raise
        detail = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"the workdir {workdir} cannot be written: {detail}") from error


def read_config(workdir: Folder) -> ConfigDict:
    """Reads the config that the run in this workdir was last started with.

    Raises:
        UserError: there is no config, or it cannot be read.
    """
    path = workdir / CONFIG
    try:
        text = path.read_text()
    except OSError as error:
        raise UserError(f"{workdir} is not a workdir of jcl: {CONFIG}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged: it is not text ({error.reason})") from error
    return config_lib.from_json(text)


def read_options(workdir: Folder) -> dict[str, Any] | None:
    """The resolved options of the last launch; None for older runs without this record."""
    return read_object(workdir / RUN).get("options")


def read_start_folder(workdir: Folder) -> str | None:
    """The folder in which the last launch was started; None for runs without this record."""
    return read_object(workdir / RUN).get("started_in")


def read_data(workdir: Folder) -> dict[str, Any] | None:
    """The identity of the last launch's data, from `write_run`; None for runs without it."""
    return read_object(workdir / RUN).get("data")


def read_object(path: Folder) -> dict[str, Any]:
    """A JSON object; {} if the file is absent, or damaged, for example by a power cut."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):  # not JSON, or not text
        return {}
    return found if isinstance(found, dict) else {}


def write_config(workdir: Folder, config: ConfigDict) -> None:
    """Saves the config as given."""
    write_atomically(workdir / CONFIG, config_lib.to_json(config))


def read_origin_steps(workdir: Folder) -> dict[str, int]:
    """The workdirs that an earlier launch of this run started from, with their steps, if any."""
    try:
        origin = read_object(workdir / RUN)["init_from"]
        origins = [origin] if isinstance(origin, dict) else origin  # a dict until 2026-11-28
        return {origin["workdir"]: origin["step"] for origin in origins or ()}
    except (KeyError, TypeError):
        return {}


def write_run(
    workdir: Folder,
    *,
    start_step: int,
    origin: list[dict] | None,
    options: Mapping[str, Any],
    data: Mapping[str, Any],
) -> None:
    """Records this launch: code, packages, command line, machine; earlier launches are kept.

    Args:
        workdir: of the run.
        start_step: completed updates.
        origin: workdirs, steps and parts that the networks were taken from; None if `init_from` is
            unset or the run already had a checkpoint.
        options: resolved, with defaults; a resumed run is compared with them.
        data: the identity of the training split (`jcl.data.identity`), which is compared too.
    """
    path = workdir / RUN
    earlier = read_object(path)
    launches = [*earlier.pop("earlier_launches", []), *([earlier] if earlier else [])]
    run = {
        "git_commit": _git_commit(),
        "packages": package_versions(),
        "python": platform.python_version(),
        "command_line": sys.argv,
        "started_in": os.getcwd(),
        "devices": [str(device) for device in jax.devices()],
        "device_kind": jax.devices()[0].device_kind,
        "processes": jax.process_count(),
        "host": {"system": platform.platform(), "cpus": os.cpu_count()},
        "options": options,
        "data": data,
        "start_step": start_step,
        "init_from": origin,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "earlier_launches": launches,
    }
    write_atomically(path, json.dumps(run, indent=2, default=repr) + "\n")


def write_atomically(path: Folder, text: str) -> None:
    """Replaces a file; at any time, a reader finds either the old or the new file complete."""
    if is_remote(path):  # there, objects are always written completely
        path.write_text(text)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def package_versions() -> dict[str, str | None]:
    """The versions of packages that affect results; None for those that are not installed."""
    return {name: _version(name) for name in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    def git(*arguments):
        return subprocess.run(
            ["git", "-C", str(Path(__file__).parent), *arguments],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
