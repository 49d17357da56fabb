"""Starting a run from the networks of others: `init_from`."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp

from jcl.errors import UserError
from jcl.optim.patterns import check_pattern, matches, parameter_name
from jcl.training.checkpoint import read_variables
from jcl.training.state import TrainState

PyTree = Any
_NAMED = 20  # names of each kind that a message lists
_KINDS = ("params", "model_state")  # parameters are what one looks for first
_EVERYTHING = ".*"


def warm_start(
    state: TrainState,
    init_from: str | tuple[tuple[str, str], ...],
    *,
    step: int | None = None,
    earlier: Mapping[str, int] = MappingProxyType({}),
) -> tuple[TrainState, list[dict[str, Any]]]:
    """Replaces the networks of a new state by those of other runs.

    Step, optimizer and the method's own state stay those of the new run.

    Taken are the parameters that probes of a run see (its moving average of the weights where it
    kept one) and the running statistics that belong to them.

    Args:
        state: before the first step.
        init_from: a workdir, of which everything is taken; or pairs (pattern, workdir), of which
            each parameter and statistic takes the first whose pattern matches its name
            (`jcl.optim.patterns`). What no pattern matches stays as it is.
        step: which checkpoint of each workdir; None takes those of `earlier`, or the newest.
        earlier: workdir -> the step that an earlier launch of this run began with.

    Returns:
        The state, and what it was taken from: {"workdir", "step", "part"} each, where the part is
        the pattern, or "everything".

    Raises:
        UserError: no such checkpoint, a pattern that matches nothing, or names or shapes that
            differ; the message counts the differing ones and names the first of each kind.
    """
    pairs = ((_EVERYTHING, init_from),) if isinstance(init_from, str) else init_from
    patterns = [pattern for pattern, _ in pairs]
    for pattern in patterns:
        check_pattern("init_from", pattern)
    read = {
        workdir: read_variables(workdir, earlier.get(workdir) if step is None else step)
        for workdir in dict.fromkeys(workdir for _, workdir in pairs)
    }
    new = {kind: getattr(state, kind) for kind in _KINDS}
    origins = []
    for position, (pattern, workdir) in enumerate(pairs):
        variables, at_step = read[workdir]
        held = {kind: getattr(variables, kind) for kind in _KINDS}
        source, target = (_matched(patterns, position, trees) for trees in (held, new))
        part = "everything" if isinstance(init_from, str) else pattern
        if not any(target.values()):
            raise UserError(f"init_from: {pattern!r} matches nothing that another does not take")
        check_same_names(source, target, f"init_from={workdir!r} (step {at_step}, {part})")
        new = {kind: _replaced(tree, source[kind]) for kind, tree in new.items()}
        origins.append({"workdir": workdir, "step": at_step, "part": part})
    ema_params = jax.tree.map(jnp.copy, new["params"]) if state.ema_params else {}
    return state.replace(**new, ema_params=ema_params), origins


def _matched(
    patterns: Sequence[str], position: int, trees: Mapping[str, PyTree]
) -> dict[str, dict[str, jax.Array]]:
    """The leaves whose names the pattern at that position is the first to match, by their names."""

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
    """Puts leaves where those of their names lie."""

    def place(path, leaf):
        taken = leaves.get(parameter_name(path))
        if taken is None:
            return leaf
        return jax.device_put(jnp.asarray(taken, leaf.dtype), leaf.sharding)

    return jax.tree_util.tree_map_with_path(place, tree)


def check_same_names(source: PyTree, target: PyTree, what: str) -> None:
    """Raises UserError, naming `what`, where networks differ in names or shapes from the config's.

    Args:
        source: {"params": .., "model_state": ..} of a checkpoint.
        target: the same of a state that this config makes, or of its shapes.
        what: what does not fit, for the message.
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
