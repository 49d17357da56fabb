"""Groups of parameters with their own training: frozen, slower, or without weight decay.

A parameter belongs to the first group whose pattern matches its name (`jcl.optim.patterns`). Groups
from `frozen` come first, then those of `optimizer.groups`, then those that the method suggests.
BatchNorm's running statistics are not parameters and are still updated.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import optax
from ml_collections import ConfigDict

from jcl.config.checks import check_positive
from jcl.config.options import options
from jcl.config.values import fitted
from jcl.errors import UserError
from jcl.optim.patterns import check_pattern, matches, parameter_name
from jcl.optim.schedules import Schedule

PyTree = Any


@dataclasses.dataclass(frozen=True)
class Group:
    """Parameters whose names a pattern matches, and how they are trained.

    Attributes:
        pattern: of their names.
        scale: factor of updates, including weight decay; None freezes the parameters, which then
            have no gradient and no optimizer state.
        decay: False turns weight decay off.
        constant_rate: True keeps the learning rate at its peak in every step, without warm-up and
            cosine.
        key: config key of the group; None if the method suggests the group, which then may match
            no parameter.
    """

    pattern: str
    scale: float | None = 1.0
    decay: bool = True
    constant_rate: bool = False
    key: str | None = None

    def __str__(self):
        return f"{self.key}: {self.pattern!r}"


def groups_of(config: ConfigDict, suggested: Sequence[Any] = ()) -> tuple[Group, ...]:
    """All groups, in order of precedence.

    Args:
        config: opened.
        suggested: the method's groups, in the form of `optimizer.groups`.

    Raises:
        UserError: an invalid group, or a pattern that is not a regular expression.
    """
    frozen = [(pattern, None) for pattern in config.frozen or ()]
    suggestions = [_read_group("the method's groups", pair) for pair in suggested]
    return (
        *(_read_group("frozen", pair) for pair in frozen),
        *(_read_group("optimizer.groups", pair) for pair in config.optimizer.groups or ()),
        *(dataclasses.replace(group, key=None) for group in suggestions),
    )


def _read_group(key: str, pair: Any) -> Group:
    """Reads (pattern, None) or (pattern, {"scale": 0.1, "decay": False, ...})."""
    is_pair = isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)
    if not is_pair or not isinstance(pair[1], Mapping | None):
        raise UserError(
            f"{key} has {pair!r}, but takes pairs: (pattern, None), or "
            "(pattern, {'scale': 0.1, 'decay': False})"
        )
    pattern, how = pair
    check_pattern(key, pattern)
    if how is None:
        return Group(pattern, scale=None, key=key)
    said, taken = f"{key}: {pattern!r}", options(Group)
    for name, value in how.items():
        if name not in ("scale", "decay", "constant_rate"):
            raise UserError(
                f"{said} has {name!r}, but a group takes scale, decay and constant_rate"
            )
        try:
            fitted(value, taken[name].kinds)
        except TypeError as error:
            raise UserError(f"{said} {name}: {error}") from None
    check_positive(f"{said} scale", how.get("scale"))
    return Group(pattern, **how, key=key)


def check_groups(params: PyTree, groups: Sequence[Group]) -> None:
    """Raises UserError if a group of the config has no parameter, or none is left to train."""
    names = [parameter_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    for group in groups:
        if group.key is not None and not any(matches(group.pattern, name) for name in names):
            raise UserError(
                f"{group} matches no parameter and no part; "
                f"there are {len(names)}, such as {', '.join(names[:3])}"
            )
    if all(jax.tree.leaves(held(params, groups))):
        said = ", ".join(str(group) for group in groups if group.scale is None)
        raise UserError(f"{said} leaves no parameter to train")


def held(params: PyTree, groups: Sequence[Group]) -> PyTree:
    """A tree of booleans, True for frozen parameters."""
    return in_groups(params, groups, lambda group: group.scale is None)


def in_groups(params: PyTree, groups: Sequence[Group], wanted: Callable[[Group], bool]) -> PyTree:
    """A tree of booleans, True for parameters of the wanted groups."""

    def is_wanted(path, _):
        name = parameter_name(path)
        group = next((group for group in groups if matches(group.pattern, name)), None)
        return group is not None and wanted(group)

    return jax.tree_util.tree_map_with_path(is_wanted, params)


def without_gradient(params: PyTree, groups: Sequence[Group]) -> PyTree:
    """The same values; gradients of frozen parameters are zero and not computed."""
    return jax.tree.map(
        lambda leaf, still: jax.lax.stop_gradient(leaf) if still else leaf,
        params,
        held(params, groups),
    )


def at_rates(
    make: Callable[[Schedule], optax.GradientTransformation],
    schedule: Schedule,
    peak: float,
    groups: Sequence[Group],
) -> optax.GradientTransformation:
    """An optimizer that follows the schedule, except for groups with a constant rate.

    It does not scale updates by the ratio of the rates, because LARS has the rate inside its
    momentum, and because a schedule may be zero.

    Args:
        make: makes an optimizer from a schedule; it treats each parameter separately.
        schedule: step to learning rate.
        peak: the constant rate.
        groups: if no group has a constant rate, the optimizer of `make` is returned unchanged.
    """
    if not any(group.constant_rate for group in groups):
        return make(schedule)

    def labels(params):
        constant = in_groups(params, groups, lambda group: group.constant_rate)
        return jax.tree.map(lambda it_is: "constant" if it_is else "scheduled", constant)

    constant = make(optax.constant_schedule(peak))
    return optax.partition({"scheduled": make(schedule), "constant": constant}, labels)


def grouped(
    optimizer: optax.GradientTransformation, groups: Sequence[Group]
) -> optax.GradientTransformation:
    """Scales an optimizer's updates by group, and does not update frozen parameters.

    Its `init` checks that the groups match the parameters (`check_groups`).

    Args:
        optimizer: it is returned unchanged if there are no groups.
        groups: their `decay` is not used here, but by the optimizer.
    """
    if not groups:
        return optimizer
    # The structure and the labels below must not change, because older checkpoints contain them.
    scales = [
        optax.masked(optax.scale(group.scale), _belongs_to(group, groups))
        for group in groups
        if group.scale not in (None, 1)
    ]
    if scales:
        optimizer = optax.chain(optimizer, *scales)
    if any(group.scale is None for group in groups):
        optimizer = optax.partition(
            {"trained": optimizer, "frozen": optax.set_to_zero()},
            lambda params: jax.tree.map(_label, held(params, groups)),
        )

    def init(params):
        check_groups(params, groups)
        return optimizer.init(params)

    return optax.GradientTransformationExtraArgs(init, optimizer.update)


def _label(still: bool) -> str:
    return "frozen" if still else "trained"


def _belongs_to(group: Group, groups: Sequence[Group]) -> Callable[[PyTree], PyTree]:
    return lambda params: in_groups(params, groups, lambda found: found is group)
