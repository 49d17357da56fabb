"""The files with the results of evaluation: results.json and results-*.json."""

import itertools
import json
import re
from pathlib import Path

from jcl.errors import UserError
from jcl.runtime import workdir as workdir_lib
from jcl.runtime.folder import Folder


def results_file(workdir: Folder, suffix: str) -> Folder:
    """results<suffix>.json."""
    return (workdir / workdir_lib.RESULTS).with_stem(f"results{suffix}")


def suffix_of_dataset(workdir: Folder, suffix: str, dataset: str) -> str:
    """File suffix for results on another dataset than the run's.

    The suffix is -NAME, or -NAME-2, ... if that file belongs to a different dataset.

    Args:
        workdir: of the run.
        suffix: the part of the file names before it.
        dataset: a value of `data.name`.
    """
    name = Path(dataset.removeprefix("arrays:")).name.removesuffix(".npz")
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "-", name)[:80]
    if name.isdecimal():  # it would look like a step
        name = f"data-{name}"
    for number in itertools.count(1):
        found = f"-{name}" if number == 1 else f"-{name}-{number}"
        path = results_file(workdir, suffix + found)
        if not path.exists() or _name_of_data(path) == dataset:
            return found
    raise AssertionError("numbers do not end")


def _name_of_data(path: Folder) -> str | None:
    data = workdir_lib.read_object(path).get("data")
    return data.get("name") if isinstance(data, dict) else None


def write_results(path: Folder, results: dict) -> None:
    """Writes results as JSON, completely or not at all; raises UserError if this fails."""
    try:
        workdir_lib.write_atomically(path, json.dumps(results, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
