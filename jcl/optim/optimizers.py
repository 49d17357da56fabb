"""Optimizers, by the names that configs use."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax
import optax
from ml_collections import ConfigDict

from jcl.config.base import Optimizer
from jcl.config.checks import check_decay, check_not_negative, check_positive
from jcl.config.names import build, resolve
from jcl.config.options import options
from jcl.errors import UserError
from jcl.optim.groups import Group, at_rates, grouped, groups_of, in_groups
from jcl.optim.patterns import parameter_name
from jcl.optim.schedules import Schedule, peak_learning_rate

PyTree = Any
Mask = Callable[[PyTree], PyTree]  # parameters -> the tree of booleans

OPTIMIZERS = {
    "adamw": "jcl.optim.optimizers:adamw",
    "lars": "jcl.optim.optimizers:lars",
    "sgd": "jcl.optim.optimizers:sgd",
}

# Names of parameters without weight decay and LARS adaptation, for any rank: flax's attention
# biases
# have two axes, and positions are added like biases.
_PLAIN = ("bias", "scale", "position_embedding")


def is_weight(params):
    """A tree of booleans, True for weights, False for biases, norm scales and the like."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf.ndim > 1 and parameter_name(path[-1:]) not in _PLAIN, params
    )


def make_optimizer(
    config: ConfigDict, schedule: Schedule, suggested: Sequence[Any] = ()
) -> optax.GradientTransformation:
    """The named optimizer with its groups, after optional clipping by the global norm.

    Args:
        config: opened.
        schedule: of the learning rate.
        suggested: groups that the method suggests (`jcl.optim.groups`).
    """
    groups, common = groups_of(config, suggested), options(Optimizer)
    section = {key: value for key, value in config.optimizer.items() if key not in common}
    decayed = _decayed(config.optimizer.name, groups)

    def make(schedule):
        return build("optimizer", section, OPTIMIZERS, learning_rate=schedule, **decayed)

    optimizer = at_rates(make, schedule, peak_learning_rate(config), groups)
    clip = config.optimizer.gradient_clip_norm
    if clip is not None:
        optimizer = optax.chain(optax.clip_by_global_norm(clip), optimizer)
    return grouped(optimizer, groups)


def _decayed(name: str, groups: Sequence[Group]) -> dict[str, Mask]:
    """The optimizer's argument for groups without weight decay; {} if there are none."""
    without = [group for group in groups if not group.decay]
    if not without:
        return {}
    if "decayed" not in inspect.signature(resolve("optimizer", name, OPTIMIZERS)).parameters:
        if asked := [group for group in without if group.key is not None]:
            raise UserError(
                f"{asked[0]} has decay=False, but optimizer.name={name!r} takes no `decayed`, "
                "which maps parameters to what of them is decayed"
            )
        return {}  # a suggestion of the method is followed only if the optimizer can

    def decayed(params):
        spared = in_groups(params, groups, lambda group: not group.decay)
        return jax.tree.map(lambda weight, spare: weight and not spare, is_weight(params), spared)

    return {"decayed": decayed}


def adamw(
    *,
    learning_rate: Schedule,
    weight_decay: float = 1e-4,
    beta1: float = 0.9,
    beta2: float = 0.999,
    decayed: Mask = is_weight,
) -> optax.GradientTransformation:
    """AdamW (Loshchilov & Hutter 2019, Algorithm 2); biases and norm scales are not decayed.

    Args:
        learning_rate: of each step.
        weight_decay: times the learning rate, the share by which a step shrinks a weight.
        beta1: decay per step of the gradient's average.
        beta2: decay per step of the squared gradient's average.
        decayed: parameters -> a mask of those that are decayed.
    """
    check_not_negative("optimizer.weight_decay", weight_decay)
    check_decay("optimizer.beta1", beta1)
    check_decay("optimizer.beta2", beta2)
    return optax.adamw(learning_rate, b1=beta1, b2=beta2, weight_decay=weight_decay, mask=decayed)


def lars(
    *,
    learning_rate: Schedule,
    weight_decay: float = 1e-6,
    momentum: float = 0.9,
    trust_coefficient: float = 0.001,
    decayed: Mask = is_weight,
) -> optax.GradientTransformation:
    """LARS (You et al. 2017), as SimCLR uses it (Chen et al. 2020, section 2.3).

    With g the gradient plus `weight_decay` times the weight w, the momentum becomes
    m <- momentum m + learning_rate trust_coefficient |w| / |g| g, and w <- w - m. Biases and norm
    scales are neither decayed nor adapted: m <- momentum m + learning_rate g.

    Args:
        learning_rate: of each step.
        weight_decay: factor of the weight that is added to its gradient.
        momentum: factor of the last update that is kept.
        trust_coefficient: ratio of an update's norm to that of its weights, before the rate.
        decayed: parameters -> a mask of those that are decayed.
    """
    check_not_negative("optimizer.weight_decay", weight_decay)
    check_decay("optimizer.momentum", momentum)
    check_positive("optimizer.trust_coefficient", trust_coefficient)
    return optax.lars(
        learning_rate,
        weight_decay=weight_decay,
        weight_decay_mask=decayed,
        trust_coefficient=trust_coefficient,
        trust_ratio_mask=is_weight,
        momentum=momentum,
    )


def sgd(
    *,
    learning_rate: Schedule,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    decayed: Mask = is_weight,
) -> optax.GradientTransformation:
    """SGD with momentum and L2 decay in the gradient; biases and norm scales are not decayed.

    Args:
        learning_rate: of each step.
        momentum: factor of the last update that is kept.
        weight_decay: factor of the weight that is added to its gradient.
        decayed: parameters -> a mask of those that are decayed.
    """
    check_decay("optimizer.momentum", momentum)
    check_not_negative("optimizer.weight_decay", weight_decay)
    return optax.chain(
        optax.add_decayed_weights(weight_decay, mask=decayed),
        optax.sgd(learning_rate, momentum=momentum),
    )
