"""Starting a run from the networks of other runs: `init_from`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp

from jcl.errors import UserError
from jcl.optim.patterns import check_pattern, matches, parameter_name
from jcl.training.checkpoint import read_variables
from jcl.training.state import TrainState
from jcl.weights.beside import check_config
from jcl.weights.read import SUFFIX, read_file, under_our_names
from jcl.weights.rules import Table
from jcl.weights.tables import KNOWN

PyTree = Any
_NAMED = 20  # names of each kind that a message lists
_KINDS = ("params", "model_state")  # in the order of messages
_EVERYTHING = ".*"
# What is taken of a file of weights that no pattern goes with: the first of these that a run has.
_OF_A_FILE = ("encoder", "text_encoder")


def warm_start(
    state: TrainState,
    init_from: str | tuple[tuple[str, str], ...],
    *,
    step: int | None = None,
    earlier: Mapping[str, int] = MappingProxyType({}),
    tables: Mapping[str, Sequence[Table]] = MappingProxyType({}),
) -> tuple[TrainState, list[dict[str, Any]]]:
    """Replaces the networks of a new state by those of other runs, or of files of weights.

    Step, optimizer state and the method's own state remain those of the new run. The parameters of
    the other run are those for probes (its moving average of the weights if it kept one), with
    their running statistics.

    Args:
        state: before the first step.
        init_from: a workdir, of which everything is taken; or pairs (pattern, workdir), of which
            each parameter and statistic takes the first whose pattern matches its name
            (`jcl.optim.patterns`). What no pattern matches stays as it is. In place of a workdir
            may stand a safetensors file with the names of another library, whose pattern is of one
            section's parameters, or of one learned scalar, such as "log_scale"; alone it stands for
            ("encoder", file), or of a method that has no encoder of images for
            ("text_encoder", file).
        step: which checkpoint of each workdir; None takes those of `earlier`, or the newest.
        earlier: workdir -> the step that an earlier launch of this run began with.
        tables: section or learned scalar, such as "encoder", -> what other libraries call its
            parameters.

    Returns:
        The state, and its origins: {"workdir", "step", "part"} each, where the part is the pattern,
        or "everything". The step of a file is None.

    Raises:
        UserError: no such checkpoint, a pattern that matches nothing, or names or shapes that
            differ; the message counts the differing ones and names the first of each kind.
    """
    whole = isinstance(init_from, str)
    pairs = init_from
    if whole:
        encoders = (name for name in _OF_A_FILE if name in state.params)
        part = next(encoders, _OF_A_FILE[0]) if is_file(init_from) else _EVERYTHING
        pairs = ((part, init_from),)
    patterns = [pattern for pattern, _ in pairs]
    for pattern in patterns:
        check_pattern("init_from", pattern)
    read = {
        workdir: read_variables(workdir, earlier.get(workdir) if step is None else step)
        for workdir in dict.fromkeys(workdir for _, workdir in pairs)
        if not is_file(workdir)
    }
    new = {kind: getattr(state, kind) for kind in _KINDS}
    origins, problems = [], []
    for position, (pattern, workdir) in enumerate(pairs):
        target = _matched(patterns, position, new)
        part = "everything" if whole and pattern == _EVERYTHING else pattern
        if not any(target.values()):
            raise UserError(f"init_from: {pattern!r} matches nothing that another does not take")
        try:
            if is_file(workdir):
                at_step, source = None, _of_file(workdir, target, new, tables)
            else:
                variables, at_step = read[workdir]
                held = {kind: getattr(variables, kind) for kind in _KINDS}
                source = _matched(patterns, position, held)
                check_same_names(source, target, f"init_from={workdir!r} (step {at_step}, {part})")
        except UserError as error:  # the other pairs' problems are told with it
            problems.append(str(error))
            continue
        new = {kind: _replaced(tree, source[kind]) for kind, tree in new.items()}
        origins.append({"workdir": workdir, "step": at_step, "part": part})
    if problems:
        raise UserError("; ".join(problems))
    ema_params = jax.tree.map(jnp.copy, new["params"]) if state.ema_params else {}
    return state.replace(**new, ema_params=ema_params), origins


def is_file(place: str) -> bool:
    """Whether a place of `init_from` is a file of weights and not a workdir."""
    return Path(place).suffix == SUFFIX


def _of_file(
    path: str,
    target: Mapping[str, Mapping[str, jax.Array]],
    trees: Mapping[str, PyTree],
    tables: Mapping[str, Sequence[Table]],
) -> dict[str, dict[str, Any]]:
    """The parameters of the target from a file that holds a whole section under other names."""
    sections = {name.partition("/")[0] for leaves in target.values() for name in leaves}
    if len(sections) != 1:
        raise UserError(
            f"init_from={path!r} is a file of one network, and its pattern matches parameters of "
            f"{', '.join(sorted(sections))}: name one, such as 'encoder'"
        )
    (section,) = sections
    prefix = f"{section}/"
    shapes = {
        name.removeprefix(prefix): leaf.shape
        for leaves in _matched([re.escape(section)], 0, trees).values()
        for name, leaf in leaves.items()
    }
    of_section = tables.get(section, ())
    if not of_section:
        raise UserError(
            f"init_from={path!r}: jcl knows no other library's names for the network of "
            f"{section!r}; it knows {KNOWN}"
        )
    what = f"init_from={path!r} (for {section})"
    found = under_our_names(read_file(path), shapes, of_section, what)
    check_config(path, of_section[0], what)
    return {
        kind: {name: jnp.asarray(found[name.removeprefix(prefix)]) for name in leaves}
        for kind, leaves in target.items()
    }


def _matched(
    patterns: Sequence[str], position: int, trees: Mapping[str, PyTree]
) -> dict[str, dict[str, jax.Array]]:
    """The leaves, by name, for which the pattern at this position is the first that matches."""

    def first(name):
        return next((i for i, pattern in enumerate(patterns) if matches(pattern, name)), None)

    return {
        kind: {
            name: leaf
            for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
            if first(name := parameter_name(path)) == position
        }
        for kind, tree in trees.items()
    }


def _replaced(tree: PyTree, leaves: Mapping[str, jax.Array]) -> PyTree:
    """Replaces the leaves of a tree by those of the same names."""

    def place(path, leaf):
        taken = leaves.get(parameter_name(path))
        if taken is None:
            return leaf
        return jax.device_put(jnp.asarray(taken, leaf.dtype), leaf.sharding)

    return jax.tree_util.tree_map_with_path(place, tree)


def check_same_names(source: PyTree, target: PyTree, what: str) -> None:
    """Raises UserError if networks differ in names or shapes from those of the config.

    Args:
        source: {"params": .., "model_state": ..} of a checkpoint.
        target: the same for a state of this config, or for its shapes.
        what: name of the source for the message.
    """
    there, here = (
        {
            f"{kind}/{parameter_name(path)}": tuple(leaf.shape)
            for kind in _KINDS
            for path, leaf in jax.tree_util.tree_leaves_with_path(tree[kind])
        }
        for tree in (source, target)
    )
    problems = {
        "missing there": [name for name in here if name not in there],
        "extra there": [name for name in there if name not in here],
        "of another shape": [
            f"{name} {there[name]} instead of {here[name]}"
            for name in here
            if name in there and there[name] != here[name]
        ],
    }
    told = [
        f"{len(names)} {kind}: {', '.join(names[:_NAMED])}{', ...' if len(names) > _NAMED else ''}"
        for kind, names in problems.items()
        if names
    ]
    if told:
        raise UserError(f"{what} does not fit this config's networks: {'; '.join(told)}")
