"""Reading a config: opens its sections, checks its values, and fills in its defaults."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jcl.config.base import FIXED, NAMED, check_fixed
from jcl.config.command_line import names_given, take_overrides
from jcl.config.names import build
from jcl.config.options import Option, options
from jcl.config.saved import Resolved, changes
from jcl.config.sections import full_key, opened, set_option, swapped
from jcl.config.upgrade import first_default, renames, upgrade_options, upgrade_patterns
from jcl.config.values import as_lists
from jcl.data.identity import Identity, identity_changes
from jcl.errors import UserError
from jcl.experiment.paths import paths_of, same_place, seen_from, with_home
from jcl.experiment.tables import (
    NETWORKS,
    OF_METHODS,
    TABLES,
    named_options,
    sections_of,
    taken_options,
    target,
)
from jcl.experiment.widths import with_widths
from jcl.models import DECODERS, TEXT_ENCODERS
from jcl.optim.groups import groups_of
from jcl.optim.patterns import matches, parameter_name
from jcl.runtime import workdir as workdir_lib
from jcl.runtime.folder import Folder

_NAME = Option((str,), None, nullable=False, free_on_resume=False)
_SIDE = 224  # pixels of an image; names of parameters do not depend on it


def open_config(config: ConfigDict) -> ConfigDict:
    """Returns the config with opened sections, locked; see `jcl.config.sections`.

    Args:
        config: from `jcl.config.base()`; it may be open already.

    Raises:
        UserError: an unknown key or name, or an impossible value.
    """
    config = _opened(config)
    _finish(config)
    return config


def read_command_line(
    config: ConfigDict, argv: Sequence[str]
) -> tuple[ConfigDict, list[str], list[str]]:
    """Opens a config and applies the overrides of a command line.

    If the command line changes a name, options of the config that the new class or function does
    not have are dropped: `--config.encoder.name=resnet18` works on a config whose encoder has
    `widths`. Options on the command line are never dropped; an unknown one is an error.

    Args:
        config: from a file or a workdir; it is not changed.
        argv: the command line.

    Returns:
        The config, the other arguments, and a message about each section with dropped options.

    Raises:
        UserError: as `open_config`, or an override that cannot be read.
    """
    config = ConfigDict(config.to_dict())
    names = {t: n for t, n in names_given(argv).items() if t in NAMED and n != config[t].name}
    dropped = {title: _replace(config, title, name) for title, name in names.items()}
    if "method" in names:
        dropped |= _reset_sections(config)
    config = _opened(config)
    taken = taken_options(config)
    known = {f"{title}.name": _NAME for title in NAMED} | {
        full_key(title, key): option for title in taken for key, option in taken[title].items()
    }
    rest, given = take_overrides(argv, known, {title: config[title].name for title in NAMED})
    for key, value in given.items():
        title, _, leaf = key.rpartition(".")
        if not key.endswith(".name"):  # names are set already
            section, unset = config[title] if title else config, leaf not in _fixed(title)
            set_option(title, section, leaf, value, taken[title][leaf], unset=unset)
    lines = _dropped_lines(dropped, given)
    for title in names.keys() & NETWORKS.keys():
        lines += _drop_patterns(config, title, given)
    _finish(config)
    return config, rest, lines


def resolved_options(
    config: ConfigDict,
    default: Callable[[str, str, str, Any], Any] = lambda title, name, key, today: today,
) -> Resolved:
    """Every option that the run depends on, with its value or its default.

    Args:
        config: opened.
        default: section, name, option and today's default -> the default.
    """
    config = with_widths(config)
    used, found = _used_sections(config), {}
    for title, taken in taken_options(config).items():
        if title not in used:
            continue
        section = config[title] if title else config
        name = section.name if title in NAMED else ""
        if name:
            found[f"{title}.name"] = name
        for key, option in taken.items():
            value = section.get(key)
            if value is None:
                value = default(title, name, key, option.default)
            found[full_key(title, key)] = as_lists(value)
    return found


def read_run_config(workdir: Folder) -> tuple[ConfigDict, list[str]]:
    """The opened config of the run in a workdir, with paths relative to the folder of its start.

    Returns:
        The config, and a message about each path that is not the same relative to the current
        folder.

    Raises:
        UserError: there is no config, or it cannot be read.
    """
    config = open_config(workdir_lib.read_config(workdir))
    return config, seen_from(config, workdir_lib.read_start_folder(workdir))


def check_resume(workdir: Folder, config: ConfigDict, data: Identity, *, accept: bool) -> list[str]:
    """Compares config and data of a resumed run with those of its checkpoints.

    Args:
        workdir: of the run.
        config: opened; the config with which the run should resume.
        data: the training split with which the run should resume. Older runs have no record of
            their data, and resume with any.
        accept: whether changes are accepted.

    Returns:
        The accepted changes, as "key: before -> now".

    Raises:
        UserError: options or data differ that affect the result, and `accept` is False.
    """
    options, before = changes_on_resume(workdir, config), workdir_lib.read_data(workdir)
    data_changes = identity_changes(before, data) if before else []
    if (options or data_changes) and not accept:
        kinds = [
            *(["another config"] if options else []),
            *(["other data"] if data_changes else []),
        ]
        raise UserError(
            f"{workdir} was started with {' and '.join(kinds)}; give "
            "--accept_config_changes to go on with what is new, or choose another workdir "
            f"({'; '.join([*options, *data_changes])})"
        )
    return [*options, *data_changes]


def changes_on_resume(workdir: Folder, config: ConfigDict) -> list[str]:
    """The changes of a resumed run: "key: before -> now" for each option that affects the result.

    Defaults that changed in the code count like options that changed in the config.

    Args:
        workdir: of a run.
        config: opened; the config with which the run should resume.

    Raises:
        UserError: the workdir has no readable config.
    """
    saved = workdir_lib.read_config(workdir)
    before = workdir_lib.read_options(workdir)
    if before is None:  # a run from before options were recorded
        before = resolved_options(_opened(saved), first_default)
    before = upgrade_options(before)
    now, started = resolved_options(config), workdir_lib.read_start_folder(workdir)
    for key, value in paths_of(config).items():
        if key in before and same_place(key, before[key], as_lists(value), started):
            before = {**before, key: now[key]}
    taken = {
        full_key(title, key): option
        for title, options_of in taken_options(config).items()
        for key, option in options_of.items()
    }
    defaults = {key: as_lists(option.default) for key, option in taken.items()}
    free = {key for key, option in taken.items() if option.free_on_resume}
    return changes(before, now, defaults=defaults, free=free)


def _opened(config: ConfigDict) -> ConfigDict:
    wanted = {"": None, **dict.fromkeys([*FIXED, *NAMED])}
    for title in wanted:
        if title and not isinstance(config.get(title), ConfigDict):
            raise UserError(
                f"config key {title} is missing; get_config() starts from jcl.config.base() and "
                "sets its keys"
            )
    taken = taken_options(config)
    own = ConfigDict({key: value for key, value in config.items() if key not in wanted})
    new = opened("", own, taken[""], _fixed(""))
    for title in filter(None, wanted):
        new[title] = opened(title, config[title], taken[title], _fixed(title))
    return new.lock()


def _finish(config: ConfigDict) -> None:
    with_home(config)
    check_fixed(config)
    if config.frozen:
        config.frozen = upgrade_patterns(config.frozen, renames(config.to_dict()))
    groups_of(config)
    used = _used_sections(config)
    for title in OF_METHODS:
        if title not in used and (keys := _set_keys(config[title])):
            raise UserError(
                f"{title}.{keys[0]}={config[title][keys[0]]!r} is set, but method.name="
                f"{config.method.name!r} takes no {title}"
            )
    if "teacher" in used and config.teacher.workdir is None:
        raise UserError(
            f"method.name={config.method.name!r} learns from another run: set teacher.workdir"
        )


def _used_sections(config: ConfigDict) -> list[str]:
    own, sections = sections_of(config.method.name), dict.fromkeys(["", *FIXED, *NAMED])
    return [title for title in sections if title not in OF_METHODS or title in own]


def _fixed(title: str) -> list[str]:
    return list(options(FIXED[title])) if title in FIXED else []


def _set_keys(section: ConfigDict) -> list[str]:
    return [key for key, value in section.items() if key != "name" and value is not None]


def _replace(config: ConfigDict, title: str, name: str) -> tuple[str, list[str]]:
    """Changes the name of a section; returns the name and the keys that were dropped."""
    section = config[title]
    config[title] = swapped(
        section,
        (target(title, section.name), named_options(title, section.name)),
        (target(title, name), named_options(title, name)),
        name,
    )
    gone = [f"{title}.{key}" for key in _set_keys(section) if key not in config[title]]
    return name, gone


def _reset_sections(config: ConfigDict) -> dict[str, tuple[str, list[str]]]:
    """Unsets the sections of networks, and of a teacher, that the method does not take."""
    dropped = {}
    for title in set(OF_METHODS) - set(sections_of(config.method.name)):
        section = config[title]
        dropped[title] = config.method.name, [f"{title}.{key}" for key in _set_keys(section)]
        config[title] = ConfigDict({"name": section.name} if "name" in section else {})
    return dropped


def _dropped_lines(
    dropped: Mapping[str, tuple[str, Sequence[str]]], given: Collection[str]
) -> list[str]:
    """Messages about dropped options, without those that the command line sets again."""
    gone = [(name, [key for key in keys if key not in given]) for name, keys in dropped.values()]
    return [
        f"{', '.join(keys)} of the config file: dropped with what {name} replaces"
        for name, keys in gone
        if keys
    ]


def _drop_patterns(config: ConfigDict, title: str, given: Collection[str]) -> list[str]:
    """Drops groups of layers of the replaced network that the new one does not have."""
    groups = [group for group in groups_of(config) if group.key not in given]
    groups = [group for group in groups if group.pattern.startswith(f"{title}/")]
    if not groups:
        return []
    names = _names_of_parameters(config, title)
    gone = [group for group in groups if not any(matches(group.pattern, name) for name in names)]
    keys = {(group.key, group.pattern) for group in gone}
    if config.frozen:
        config.frozen = tuple(p for p in config.frozen if ("frozen", p) not in keys)
    if config.optimizer.groups:
        kept = (g for g in config.optimizer.groups if ("optimizer.groups", g[0]) not in keys)
        config.optimizer.groups = tuple(kept)
    return [
        f"{group} of the config file: dropped, {config[title].name} has no such part"
        for group in gone
    ]


def _names_of_parameters(config: ConfigDict, title: str) -> list[str]:
    types = {"dtype": jnp.float32, "param_dtype": jnp.float32}
    network = build(title, config[title], TABLES[title], **types)
    given, more = _input_of(title, config, getattr(network, "frames_of_input", ()))
    key = jax.random.key(0)
    variables = jax.eval_shape(lambda x: network.init(key, x, train=True, **more), given)
    paths = jax.tree_util.tree_leaves_with_path({title: variables["params"]})
    return [parameter_name(path) for path, _ in paths]


def _input_of(
    title: str, config: ConfigDict, frames: tuple[int, ...]
) -> tuple[Any, dict[str, Any]]:
    """An example input of a network of this section; a clip if the network takes frames."""
    if NETWORKS[title] is TEXT_ENCODERS:
        kinds = {"ids": jnp.int32, "mask": bool}
        return {key: jax.ShapeDtypeStruct((1, 1), kind) for key, kind in kinds.items()}, {}
    side = config.views.get("size") or config.data.get("image_size") or _SIDE
    if NETWORKS[title] is DECODERS:
        return jax.ShapeDtypeStruct((1, 1), jnp.float32), {"shape": (side, side, 3)}
    return jax.ShapeDtypeStruct((1, *frames, side, side, 3), jnp.float32), {}
