"""Durations, learning rates and the optimizer, resolved from the config after all overrides."""

import dataclasses
from collections.abc import Callable

import jax
import optax
from ml_collections import ConfigDict

from jcl.errors import UserError
from jcl.frozen import freeze, matches, parameter_name
from jcl.names import build

Schedule = Callable[[jax.Array], jax.Array]

OPTIMIZERS = {"adamw": "jcl.optim:adamw", "lars": "jcl.optim:lars", "sgd": "jcl.optim:sgd"}

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


@dataclasses.dataclass(frozen=True)
class Durations:
    """A run's length and warm-up, in steps (one step is one global batch)."""

    total_steps: int
    warmup_steps: int
    steps_per_epoch: int


def durations(config: ConfigDict, steps_per_epoch: int) -> Durations:
    """The only place where epochs become steps; `*_steps` wins over `*_epochs`.

    Raises:
        UserError: the run has no step.
    """
    optimizer = config.optimizer
    total = config.total_steps
    if total is None:
        total = round(config.total_epochs * steps_per_epoch)
    warmup = optimizer.warmup_steps
    if warmup is None:
        warmup = round((optimizer.warmup_epochs or 0) * steps_per_epoch)
    if total < 1:
        raise UserError(
            f"total_epochs={config.total_epochs} is less than one step "
            f"of {steps_per_epoch} steps an epoch"
        )
    # A run cut short, to try something out, ends within its warm-up.
    warmup = min(warmup, total)
    return Durations(total, warmup, steps_per_epoch)


def peak_learning_rate(config: ConfigDict) -> float:
    """The learning rate after `optimizer.scaling`; the batch size B counts examples, not views.

    none: x; linear: x B / 256 (Goyal et al. 2017, section 2.1); sqrt: x sqrt(B) (SimCLR, App. B.1).
    """
    scale = {"none": 1.0, "linear": config.batch_size / 256, "sqrt": config.batch_size**0.5}
    return config.optimizer.learning_rate * scale[config.optimizer.scaling]


def make_schedule(config: ConfigDict, length: Durations) -> Schedule:
    """Linear warm-up from 0, then a cosine to 0 at the last step (SGDR, Loshchilov 2017, Eq. 5)."""
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0 if length.warmup_steps else peak_learning_rate(config),
        peak_value=peak_learning_rate(config),
        warmup_steps=length.warmup_steps,
        decay_steps=max(length.total_steps, length.warmup_steps + 1),
    )


def make_optimizer(config: ConfigDict, schedule: Schedule) -> optax.GradientTransformation:
    """The named optimizer behind optional clipping by the global norm; see also `jcl.frozen`.

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
