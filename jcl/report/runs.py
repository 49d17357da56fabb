"""Workdirs as they are read for a report, and which of them differ in their seed alone."""

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jcl.config import flatten
from jcl.config.base import FIXED, NAMED
from jcl.config.options import options
from jcl.config.sections import full_key
from jcl.config.values import as_tuples
from jcl.errors import UserError
from jcl.runtime import workdir as workdir_lib
from jcl.runtime.metrics import read_metrics

# What computes nothing; where a dataset lies is an option of the dataset. A resumed run has its own
# tokenizer whatever it is given, but other runs do not.
_FREE = {"data.dir"} | {
    key
    for title, kind in FIXED.items()
    for name, option in options(kind).items()
    if option.free_on_resume and (key := full_key(title, name)) != "data.tokenizer"
}
_SECTIONS = ["", *NAMED, *(title for title in FIXED if title and title not in NAMED)]
# Of the section `probe`: what adds scores and changes none.
_ONLY_ADD = (
    "finetune",
    "finetune_shares",
    "baselines",
    "outputs",
    "shares",
    "every_steps",
    "online",
)


@dataclasses.dataclass(frozen=True)
class Run:
    """What a workdir holds.

    Attributes:
        workdir: as it was given or found.
        config: "section.key" -> value.
        metrics: the lines of metrics.jsonl.
        results: of the newest evaluation; None where there was none.
    """

    workdir: Path
    config: Mapping[str, Any]
    metrics: Sequence[Mapping[str, Any]]
    results: Mapping[str, Any] | None

    @property
    def seed(self) -> int:
        """The seed."""
        return self.config["seed"]


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs of one setting, one for each seed.

    Attributes:
        setting: the config keys that differ between groups -> this group's values.
        runs: in the order of their seeds.
    """

    setting: Mapping[str, Any]
    runs: Sequence[Run]

    @property
    def measured(self) -> list[Run]:
        """The runs that have results."""
        return [run for run in self.runs if run.results is not None]

    @property
    def label(self) -> str:
        """What tells it from other groups, in one line; keys that are not set are left out."""
        given = {key: value for key, value in self.setting.items() if value is not None}
        nothing = "defaults" if self.setting else "all"
        return ", ".join(f"{key}={show(value)}" for key, value in given.items()) or nothing


def find_workdirs(folders: Sequence[Path]) -> list[Path]:
    """Lists the workdirs among the folders and, at any depth, within them, each once.

    Raises:
        UserError: a folder does not exist, or none holds a workdir.
    """
    found: dict[Path, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"the folder {folder} does not exist")
        for parent, children, files in os.walk(folder):
            children.sort()
            if workdir_lib.CONFIG in files:
                children.clear()  # thousands of files of checkpoints
                found.setdefault(Path(parent).resolve(), Path(parent))
    if not found:
        raise UserError(
            f"no workdir found in {', '.join(map(str, folders))}: none holds {workdir_lib.CONFIG}"
        )
    return list(found.values())


def read_run(workdir: Path) -> Run:
    """Reads a workdir.

    Raises:
        UserError: a file of it is not what jcl writes.
    """
    try:
        config = flatten(workdir_lib.read_config(workdir))
        config = {key: _hashable(value) for key, value in config.items()}
        metrics = read_metrics(workdir)
        results_file = workdir / workdir_lib.RESULTS
        results = json.loads(results_file.read_text()) if results_file.exists() else None
    except (UserError, OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{workdir} cannot be read as a workdir of jcl: {error}") from error
    if results is not None and not isinstance(results, dict):
        raise UserError(f"{results_file} is not what jcl.evaluate writes")
    return Run(workdir, config, metrics, results)


def group_runs(runs: Sequence[Run]) -> tuple[list[Group], list[str]]:
    """Groups runs whose configs differ in nothing but the seed and what changes no result.

    Args:
        runs: one or more.

    Returns:
        The groups, in the order of their values, and a sentence about each run that is left out,
        because another one has the same setting and seed: counted twice, equal numbers would make
        the standard deviation too small.
    """
    settings: dict[tuple, dict[int, Run]] = {}
    remarks = []
    keys = [key for key in dict.fromkeys(k for run in runs for k in run.config) if _matters(key)]
    keys.sort(key=_section)
    for run in runs:
        seeds = settings.setdefault(tuple((key, run.config.get(key)) for key in keys), {})
        kept = seeds.get(run.seed)
        if kept is None or (kept.results is None and run.results is not None):
            seeds[run.seed] = run
        if kept is not None:
            left_out, kept = (kept, run) if seeds[run.seed] is run else (run, kept)
            remarks.append(f"{left_out.workdir} is left out: the same run as {kept.workdir}.")
    differing = [entries[0][0] for entries in zip(*settings, strict=True) if len(set(entries)) > 1]
    groups = [
        Group({key: dict(setting)[key] for key in differing}, [seeds[s] for s in sorted(seeds)])
        for setting, seeds in settings.items()
    ]
    return sorted(groups, key=lambda group: [_order(v) for v in group.setting.values()]), remarks


def other_settings(runs: Sequence[Run]) -> list[str]:
    """Sentences on runs whose probes had other settings than most, or other data than the run.

    Settings that only add scores do not count, nor results from before settings were kept.
    """
    settings = {
        run.workdir: {
            key: json.dumps(value)
            for key, value in (run.results or {}).get("settings", {}).items()
            if key not in _ONLY_ADD
        }
        for run in runs
    }
    remarks = []
    usual = {
        key: Counter(s[key] for s in settings.values() if key in s).most_common(1)[0][0]
        for key in sorted(set().union(*settings.values()))
    }
    for workdir, found in settings.items():
        if other := [f"probe.{key}={found[key]}" for key in found if found[key] != usual[key]]:
            remarks.append(f"{workdir} was probed with other settings: {', '.join(other)}.")
    for run in runs:
        data = {f"data.{key}": x for key, x in (run.results or {}).get("data", {}).items()}
        if other := [
            f"{key}={value}"
            for key, value in data.items()
            if key != "data.dir" and as_tuples(value) != run.config.get(key)
        ]:
            remarks.append(f"{run.workdir} was probed on other data: {', '.join(other)}.")
    return remarks


def show(value: Any) -> str:
    """A config value as text; None is the default of the thing that takes the key."""
    return "default" if value is None else str(value)


def _hashable(value: Any) -> Any:
    """The value; its text where it holds dicts, as groups of parameters do."""
    try:
        hash(value)
    except TypeError:
        return str(value)
    return value


def _matters(key: str) -> bool:
    return key != "seed" and key not in _FREE


def _section(key: str) -> int:
    """Where a key's section stands in a config; keys of the config itself come first."""
    return _SECTIONS.index(key.rpartition(".")[0])


def _order(value: Any) -> tuple:
    number = isinstance(value, int | float)
    return (value is not None, not number, value if number else 0, str(value))
