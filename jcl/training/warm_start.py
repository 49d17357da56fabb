"""Starting a run from the networks of another: `init_from`."""

from typing import Any

import jax
import jax.numpy as jnp

from jcl.errors import UserError
from jcl.optim.patterns import parameter_name
from jcl.training.checkpoint import read_variables
from jcl.training.state import TrainState

PyTree = Any
_NAMED = 20  # names of each kind that a message lists


def warm_start(
    state: TrainState, workdir: str, *, step: int | None, part: str
) -> tuple[TrainState, int]:
    """Replaces the networks of a new state by those of another run.

    Step, optimizer and the method's own state stay those of the new run.

    Taken are the parameters that probes of that run see (its moving average of the weights where it
    kept one) and the running statistics that belong to them.

    Args:
        state: before the first step.
        workdir: of the other run.
        step: which of its checkpoints; None takes the newest.
        part: "everything" that the method trains, or the name of a part, such as "encoder".

    Returns:
        The state, and the step of the checkpoint.

    Raises:
        UserError: no such checkpoint, or the names or shapes of that part differ; the message
            counts the differing ones and names the first of each kind.
    """
    variables, step = read_variables(workdir, step)
    source = {"params": variables.params, "model_state": variables.model_state}
    target = {"params": state.params, "model_state": state.model_state}
    if part != "everything":
        source, target = _part(part, source, workdir), _part(part, target, "this run")
    check_same_names(source, target, f"init_from={workdir!r} (step {step}, {part})")
    taken = jax.tree.map(
        lambda new, old: jax.device_put(jnp.asarray(old, new.dtype), new.sharding), target, source
    )
    taken = {kind: {**getattr(state, kind), **tree} for kind, tree in taken.items()}
    ema_params = jax.tree.map(jnp.copy, taken["params"]) if state.ema_params else {}
    return state.replace(**taken, ema_params=ema_params), step


def _part(part: str, trees: PyTree, where: str) -> PyTree:
    """Keeps the part of that name of each tree."""
    if part not in trees["params"]:
        raise UserError(
            f"init_part={part!r} is asked for, but the method of {where} has no part of that name"
        )
    return {kind: {part: tree.get(part, {})} for kind, tree in trees.items()}


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
            for kind in ("params", "model_state")  # parameters are what one looks for first
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
