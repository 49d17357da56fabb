"""The runs of a sweep: the product of the values of some config keys, and seeds."""

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ml_collections import ConfigDict

from jcl.augment.make import make_views
from jcl.config.file import read_config_file
from jcl.errors import UserError
from jcl.experiment import make_method, read_command_line
from jcl.optim.optimizers import make_optimizer
from jcl.optim.schedules import Durations, make_schedule

_LONGEST_NAME = 200  # file systems take 255 bytes


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Attributes:
        name: of its folder: the values that tell it from the others.
        overrides: config key -> value, as text, in the order of the command line.
        arguments: of the config file, name -> value: what stands after the colon of its path.
    """

    name: str
    overrides: Mapping[str, str]
    arguments: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def config_file(self, common: str) -> str:
        """What --config takes.

        Args:
            common: the same for all runs, with arguments or without.
        """
        path, _, given = common.partition(":")
        given = [given, *(f"{name}={value}" for name, value in self.arguments.items())]
        return ":".join(filter(None, [path, ",".join(filter(None, given))]))

    def flags(self) -> list[str]:
        """The overrides as flags of `python -m jcl.train`."""
        return [f"--config.{key}={value}" for key, value in self.overrides.items()]


def expand(grids: Sequence[str], *, seeds: int, common: Sequence[str] = ()) -> list[Run]:
    """Lists the runs of a sweep, seeds fastest, then the last grid.

    Args:
        grids: "key=value,value,..." each; a comma within brackets does not split. A key that begins
            with a colon is an argument of the config file.
        seeds: the seeds are 0 to `seeds` - 1.
        common: "--config.KEY=VALUE" each, for all runs.

    Raises:
        UserError: what is given is no list of values, or names a key twice, or runs could not be
            told apart by name.
    """
    if seeds < 1:
        raise UserError(f"--seeds={seeds} is impossible: it is at least 1")
    fixed = dict(_split_override(text) for text in common)
    axes = [parse_grid(text) for text in grids]
    keys = [_split_override(text)[0] for text in common] + [key for key, _ in axes]
    for key in keys:
        if key == "seed":
            raise UserError("the config key seed is given twice: --seeds=N makes seeds 0 to N-1")
        if keys.count(key) > 1:
            raise UserError(f"the config key {key} is given twice")
    axes.append(("seed", [str(seed) for seed in range(seeds)]))
    runs = []
    for values in itertools.product(*(values for _, values in axes)):
        swept = dict(zip([key for key, _ in axes], values, strict=True))
        keys = {key: value for key, value in swept.items() if not key.startswith(":")}
        arguments = {key[1:]: swept[key] for key in swept if key not in keys}
        runs.append(Run(run_name(swept), {**fixed, **keys}, arguments))
    names = [run.name for run in runs]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two runs of the grid would have the same folder, {name}")
        if len(name) > _LONGEST_NAME:
            raise UserError(f"the folder's name {name} would be too long: give fewer grids at once")
    return runs


def parse_grid(text: str) -> tuple[str, list[str]]:
    """Reads "key=value,value,..." into the key and its values, as text.

    Raises:
        UserError: there is no key, an empty value, a value twice, or a bracket that does not close.
    """
    key, _, listed = text.partition("=")
    if not key or not listed:
        raise UserError(f"--grid {text!r} cannot be read: it is KEY=VALUE,VALUE,...")
    values = _split_at_commas(listed)
    if values is None:
        raise UserError(f"--grid {text!r} cannot be read: its brackets do not match")
    if "" in values:
        raise UserError(f"--grid {text!r} has an empty value")
    for value in values:
        if values.count(value) > 1:
            raise UserError(f"--grid {text!r} has the value {value} twice")
    return key, values


def run_name(swept: Mapping[str, str]) -> str:
    """Names a folder by keys and values; all but ASCII letters, digits and . + - _ become "-".

    A colon before a key is left out.
    """
    return ",".join(
        f"{key.removeprefix(':')}={re.sub(r'[^A-Za-z0-9_.+-]+', '-', value.strip('()[] '))}"
        for key, value in swept.items()
    )


def resolve(run: Run, config_file: str) -> ConfigDict:
    """The config that `python -m jcl.train` makes of a run's flags, checked as far as it can be.

    Raises:
        UserError: a file, key, name, option or value that would end the run before it reads data.
    """
    config = read_config_file(run.config_file(config_file))
    try:
        config, _, _ = read_command_line(config, run.flags())
        make_method(config)
        make_views(config.views)
        make_optimizer(config, make_schedule(config, Durations(1, 0, 1)))
    except UserError as error:
        raise UserError(f"{run.name}: {error}") from error
    return config


def folder_of(root: Path, run: Run) -> Path:
    """The run's workdir."""
    return root / run.name


def _split_override(text: str) -> tuple[str, str]:
    key, equals, value = text.removeprefix("--config.").partition("=")
    if not text.startswith("--config.") or not key or not equals:
        raise UserError(
            f"the argument {text!r} is unknown: what is meant for every run is --config.KEY=VALUE"
        )
    return key, value


def _split_at_commas(text: str) -> list[str] | None:
    """Splits where no bracket is open; None where brackets do not match."""
    values, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if depth < 0:
            return None
        if character == "," and depth == 0:
            values.append("")
        else:
            values[-1] += character
    return None if depth else [value.strip() for value in values]
