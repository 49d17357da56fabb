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

CONFIG = "config.json"
RUN = "run.json"
RESULTS = "results.json"  # of the newest checkpoint
TOKENIZER = "tokenizer.json"  # of runs whose texts are strings
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy", "jcl")


def create(workdir: Path) -> None:
    """Makes the folder where it is missing.

    Raises:
        UserError: it cannot be made or written to.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        probe = workdir / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"the workdir {workdir} cannot be written: {error.strerror}") from error


def read_config(workdir: Path) -> ConfigDict:
    """Reads the config that the run in this workdir was last started with.

    Raises:
        UserError: there is none, or it cannot be understood.
    """
    path = workdir / CONFIG
    try:
        text = path.read_text()
    except OSError as error:
        raise UserError(f"{workdir} is not a workdir of jcl: {CONFIG}: {error.strerror}") from error
    return config_lib.from_json(text)


def read_options(workdir: Path) -> dict[str, Any] | None:
    """The resolved options of the last launch; None where a run is older than their record."""
    try:
        return json.loads((workdir / RUN).read_text()).get("options")
    except (OSError, json.JSONDecodeError, AttributeError):
        return None


def write_config(workdir: Path, config: ConfigDict) -> None:
    """Saves the config as asked."""
    write_atomically(workdir / CONFIG, config_lib.to_json(config))


def read_origin_steps(workdir: Path) -> dict[str, int]:
    """The workdirs that an earlier launch of this run started from, with their steps, if any."""
    try:
        origin = json.loads((workdir / RUN).read_text())["init_from"]
        origins = [origin] if isinstance(origin, dict) else origin  # up to 2026-11-28 there was one
        return {origin["workdir"]: origin["step"] for origin in origins or ()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def write_run(
    workdir: Path, *, start_step: int, origin: list[dict] | None, options: Mapping[str, Any]
) -> None:
    """Records this launch: code, packages, command line, machine; earlier launches are kept.

    Args:
        workdir: of the run.
        start_step: completed updates.
        origin: workdirs, steps and parts that the networks were taken from; None where `init_from`
            is unset or a checkpoint of the run itself was there.
        options: resolved, defaults filled in: what a resumed run is compared with.
    """
    path = workdir / RUN
    try:
        earlier = json.loads(path.read_text())
        launches = [*earlier.pop("earlier_launches", []), earlier]
    except (OSError, json.JSONDecodeError, AttributeError):
        launches = []
    run = {
        "git_commit": _git_commit(),
        "packages": package_versions(),
        "python": platform.python_version(),
        "command_line": sys.argv,
        "devices": [str(device) for device in jax.devices()],
        "device_kind": jax.devices()[0].device_kind,
        "processes": jax.process_count(),
        "host": {"system": platform.platform(), "cpus": os.cpu_count()},
        "options": options,
        "start_step": start_step,
        "init_from": origin,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "earlier_launches": launches,
    }
    write_atomically(path, json.dumps(run, indent=2, default=repr) + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Replaces a file so that whoever reads it, or kills us, finds the old or the new one whole."""
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
