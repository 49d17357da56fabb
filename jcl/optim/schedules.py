"""Durations and learning rates, resolved from the config after all overrides."""

import dataclasses
from collections.abc import Callable

import jax
import optax
from ml_collections import ConfigDict

from jcl.errors import UserError

Schedule = Callable[[jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True)
class Durations:
    """A run's length and warm-up, in steps (one step is one global batch)."""

    total_steps: int
    warmup_steps: int
    steps_per_epoch: int


def durations(config: ConfigDict, steps_per_epoch: int) -> Durations:
    """Converts epochs to steps, in this place only; `*_steps` overrides `*_epochs`.

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
    # A short trial run may end within its warm-up.
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
