"""What a workdir says of its run: which config, which code, which machine."""

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
    """Makes the folder where it is missing.

    Raises:
        UserError: it cannot be made or written to.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        probe = workdir / f".writable-{os.getpid()}"
        probe.write_text("")
        probe.unlink()
    except (OSError, ValueError) as error:  # the latter of a name with a null byte
        said = getattr(error, "strerror", None) or error
        raise UserError(f"the workdir {workdir} cannot be written: {said}") from error
    except Exception as error:  # of the many libraries of Google's storage, or none is there
        if not is_remote(workdir):
            raise
        detail = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"the workdir {workdir} cannot be written: {detail}") from error


def read_config(workdir: Folder) -> ConfigDict:
    """Reads the config that the run in this workdir was last started with.

    Raises:
        UserError: there is none, or it cannot be understood.
    """
    path = workdir / CONFIG
    try:
        text = path.read_text()
    except OSError as error:
        raise UserError(f"{workdir} is not a workdir of jcl: {CONFIG}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged: it is no text ({error.reason})") from error
    return config_lib.from_json(text)


def read_options(workdir: Folder) -> dict[str, Any] | None:
    """The resolved options of the last launch; None where a run is older than their record."""
    return read_object(workdir / RUN).get("options")


def read_start_folder(workdir: Folder) -> str | None:
    """The folder in which the last launch was started; None of a run without that record."""
    return read_object(workdir / RUN).get("started_in")


def read_data(workdir: Folder) -> dict[str, Any] | None:
    """What the last launch trained on, as `write_run` got it; None of a run without that record."""
    return read_object(workdir / RUN).get("data")


def read_object(path: Folder) -> dict[str, Any]:
    """A JSON object; {} where the file is absent, or damaged, as after a power cut."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):  # no JSON, or no text
        return {}
    return found if isinstance(found, dict) else {}


def write_config(workdir: Folder, config: ConfigDict) -> None:
    """Saves the config as asked."""
    write_atomically(workdir / CONFIG, config_lib.to_json(config))


def read_origin_steps(workdir: Folder) -> dict[str, int]:
    """The workdirs that an earlier launch of this run started from, with their steps, if any."""
    try:
        origin = read_object(workdir / RUN)["init_from"]
        origins = [origin] if isinstance(origin, dict) else origin  # up to 2026-11-28 there was one
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
        origin: workdirs, steps and parts that the networks were taken from; None where `init_from`
            is unset or a checkpoint of the run itself was there.
        options: resolved, defaults filled in: what a resumed run is compared with.
        data: what tells the training split from others (`jcl.data.identity`): as well.
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
    """Replaces a file so that whoever reads it, or kills us, finds the old or the new one whole."""
    if is_remote(path):  # there, objects are written whole
        path.write_text(text)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def package_versions() -> dict[str, str | None]:
    """The versions of what computes; None for what is not installed."""
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
