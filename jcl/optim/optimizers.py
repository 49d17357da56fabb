"""Optimizers, by the names that configs use."""

import jax
import optax
from ml_collections import ConfigDict

from jcl.config.names import build
from jcl.optim.patterns import freeze, matches, parameter_name
from jcl.optim.schedules import Schedule

OPTIMIZERS = {
    "adamw": "jcl.optim.optimizers:adamw",
    "lars": "jcl.optim.optimizers:lars",
    "sgd": "jcl.optim.optimizers:sgd",
}

# Keys of the section that stand for the same thing whatever the optimizer.
COMMON_OPTIONS = (
    "learning_rate",
    "scaling",
    "warmup_steps",
    "warmup_epochs",
    "gradient_clip_norm",
    "weight_ema",
    "encoder_scale",
)

# Names of parameters that are neither decayed nor adapted by LARS, whatever their rank: flax's
# attention biases have two axes, and positions are added like biases.
_PLAIN = ("bias", "scale", "position_embedding")


def make_optimizer(config: ConfigDict, schedule: Schedule) -> optax.GradientTransformation:
    """The named optimizer behind optional clipping by the global norm, and `frozen`.

    Its updates of the encoder, weight decay among them, are multiplied by `encoder_scale`.
    """
    section = config.optimizer.copy_and_resolve_references()
    with section.unlocked():
        for key in COMMON_OPTIONS:
            del section[key]
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
    """AdamW (Loshchilov & Hutter 2019, Algorithm 2); biases and norm scales are not decayed."""
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
    """
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
    """SGD with momentum; the decay enters the gradient, biases and norm scales are not decayed."""
    return optax.chain(
        optax.add_decayed_weights(weight_decay, mask=is_weight),
        optax.sgd(learning_rate, momentum=momentum),
    )


def is_weight(params):
    """The tree of booleans that tells weights from biases, norm scales and the like."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf.ndim > 1 and parameter_name(path[-1:]) not in _PLAIN, params
    )
