"""Optimizers, by the names that configs use."""

import jax
import optax
from ml_collections import ConfigDict

from jcl.config.base import Optimizer
from jcl.config.checks import check_decay, check_not_negative, check_positive
from jcl.config.names import build
from jcl.config.options import options
from jcl.optim.patterns import freeze, matches, parameter_name
from jcl.optim.schedules import Schedule

OPTIMIZERS = {
    "adamw": "jcl.optim.optimizers:adamw",
    "lars": "jcl.optim.optimizers:lars",
    "sgd": "jcl.optim.optimizers:sgd",
}

# Names of parameters that are neither decayed nor adapted by LARS, whatever their rank: flax's
# attention biases have two axes, and positions are added like biases.
_PLAIN = ("bias", "scale", "position_embedding")


def make_optimizer(config: ConfigDict, schedule: Schedule) -> optax.GradientTransformation:
    """The named optimizer behind optional clipping by the global norm, and `frozen`.

    Its updates of the encoder, weight decay among them, are multiplied by `encoder_scale`.
    """
    common = options(Optimizer)
    section = {key: value for key, value in config.optimizer.items() if key not in common}
    optimizer = build("optimizer", section, OPTIMIZERS, learning_rate=schedule)
    clip = config.optimizer.gradient_clip_norm
    if clip is not None:
        optimizer = optax.chain(optax.clip_by_global_norm(clip), optimizer)
    if config.optimizer.encoder_scale != 1:
        scale = optax.scale(config.optimizer.encoder_scale)
        optimizer = optax.chain(optimizer, optax.masked(scale, _is_encoder))
    return freeze(optimizer, config.frozen or ())


def _is_encoder(params):
    return jax.tree_util.tree_map_with_path(
        lambda path, _: matches("encoder", parameter_name(path)), params
    )


def adamw(
    *,
    learning_rate: Schedule,
    weight_decay: float = 1e-4,
    beta1: float = 0.9,
    beta2: float = 0.999,
) -> optax.GradientTransformation:
    """AdamW (Loshchilov & Hutter 2019, Algorithm 2); biases and norm scales are not decayed.

    Args:
        learning_rate: of each step.
        weight_decay: share of a weight that a step takes away, times the learning rate.
        beta1: decay, a step, of the gradient's average.
        beta2: decay, a step, of the squared gradient's average.
    """
    check_not_negative("optimizer.weight_decay", weight_decay)
    check_decay("optimizer.beta1", beta1)
    check_decay("optimizer.beta2", beta2)
    return optax.adamw(learning_rate, b1=beta1, b2=beta2, weight_decay=weight_decay, mask=is_weight)


def lars(
    *,
    learning_rate: Schedule,
    weight_decay: float = 1e-6,
    momentum: float = 0.9,
    trust_coefficient: float = 0.001,
) -> optax.GradientTransformation:
    """LARS (You et al. 2017), as SimCLR uses it (Chen et al. 2020, section 2.3).

    With g the gradient plus `weight_decay` times the weight w, the momentum becomes
    m <- momentum m + learning_rate trust_coefficient |w| / |g| g, and w <- w - m. Biases and norm
    scales are neither decayed nor adapted: m <- momentum m + learning_rate g.

    Args:
        learning_rate: of each step.
        weight_decay: share of a weight that joins its gradient.
        momentum: share of the last update that a step keeps.
        trust_coefficient: ratio of an update's norm to that of its weights, before the rate.
    """
    check_not_negative("optimizer.weight_decay", weight_decay)
    check_decay("optimizer.momentum", momentum)
    check_positive("optimizer.trust_coefficient", trust_coefficient)
    return optax.lars(
        learning_rate,
        weight_decay=weight_decay,
        weight_decay_mask=is_weight,
        trust_coefficient=trust_coefficient,
        trust_ratio_mask=is_weight,
        momentum=momentum,
    )


def sgd(
    *, learning_rate: Schedule, momentum: float = 0.9, weight_decay: float = 0.0
) -> optax.GradientTransformation:
    """SGD with momentum; the decay enters the gradient, biases and norm scales are not decayed.

    Args:
        learning_rate: of each step.
        momentum: share of the last update that a step keeps.
        weight_decay: share of a weight that joins its gradient.
    """
    check_decay("optimizer.momentum", momentum)
    check_not_negative("optimizer.weight_decay", weight_decay)
    return optax.chain(
        optax.add_decayed_weights(weight_decay, mask=is_weight),
        optax.sgd(learning_rate, momentum=momentum),
    )


def is_weight(params):
    """The tree of booleans that tells weights from biases, norm scales and the like."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf.ndim > 1 and parameter_name(path[-1:]) not in _PLAIN, params
    )
