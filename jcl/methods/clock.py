"""The position of a step in a run, from which a method computes its schedules."""

import dataclasses

import jax
import jax.numpy as jnp

from jcl.warn_once import warn_once


@dataclasses.dataclass(frozen=True)
class Clock:
    """The time of one step.

    Attributes:
        step: number of updates before this step, so the first step is 0; traced in a compiled step.
        steps_per_epoch: of the training split.
        total_steps: of the run.
    """

    step: jax.Array | int
    steps_per_epoch: int
    total_steps: int

    @property
    def epoch(self) -> jax.Array | int:
        """Number of passes over the training split before this step."""
        return self.step // self.steps_per_epoch

    def step_after(self, key: str, epochs: int | float) -> int:
        """The step that follows a number of epochs, the value of the config's `key`.

        Logs a warning if the run ends before this step, because what begins there then never does.
        """
        step = round(epochs * self.steps_per_epoch)
        if step >= self.total_steps:
            warn_once(
                f"{key}={epochs} epochs are {step} steps, but the run has {self.total_steps}: what "
                "begins after them never does."
            )
        return step

    def cosine(self, start: float, end: float) -> jax.Array:
        """From `start` at step 0 to `end` at the step after the last, by half a cosine."""
        return end + (start - end) * (1 + jnp.cos(jnp.pi * self.step / self.total_steps)) / 2
