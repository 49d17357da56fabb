"""CLIP whose targets are soft: what docs/emoji.md tries beside CLIP."""

import dataclasses

import jax
import jax.numpy as jnp

from jcl.config.checks import check_share
from jcl.losses import soft_info_nce, unit_rows
from jcl.methods.base import Outcome
from jcl.methods.clip import CLIP
from jcl.methods.parts.diagnostics import two_tower_diagnostics


@dataclasses.dataclass(frozen=True)
class SoftCLIP(CLIP):
    """Pairs whose images and texts are alike share a part of each other's target.

    With c_ij the mean of the cosine of images i and j and of that of texts i and j, the targets are
    (1 - weight) [i = j] + weight softmax_j(c_ij / target_temperature), without a gradient. They
    hold one number for every pair of the batch, so a batch is small.

    Attributes:
        weight: of the softmax, in [0, 1].
        target_temperature: of the softmax.
    """

    weight: float = 0.2
    target_temperature: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        check_share("method.weight", self.weight)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`."""
        temperature = jnp.exp(-variables.params["log_scale"])
        image, text = (unit_rows(embeddings[kind]) for kind in self.needs)
        alike = jax.lax.stop_gradient((image @ image.T + text @ text.T) / 2)
        soft = jax.nn.softmax(alike / self.target_temperature)
        targets = (1 - self.weight) * jnp.eye(len(image)) + self.weight * soft
        loss = sum(
            soft_info_nce(*sides, targets, temperature=temperature, mesh=mesh) / 2
            for sides in ((image, text), (text, image))
        )
        metrics = {**two_tower_diagnostics(image, text), "temperature": temperature}
        return Outcome(loss, metrics, {})
