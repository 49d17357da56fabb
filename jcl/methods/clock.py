"""Where in a run a step stands: what schedules of a method are made from."""

import dataclasses

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Clock:
    """The time of one step.

    Attributes:
        step: updates that were completed before this step, so the first step is 0; traced where
            the step is compiled.
        steps_per_epoch: of the training split.
        total_steps: of the run.
    """

    step: jax.Array | int
    steps_per_epoch: int
    total_steps: int

    @property
    def epoch(self) -> jax.Array | int:
        """Passes over the training split that were completed before this step."""
        return self.step // self.steps_per_epoch

    def cosine(self, start: float, end: float) -> jax.Array:
        """From `start` at step 0 to `end` at the step after the last, by half a cosine."""
        return end + (start - end) * (1 + jnp.cos(jnp.pi * self.step / self.total_steps)) / 2
