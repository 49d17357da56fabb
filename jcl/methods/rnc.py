"""Rank-N-Contrast: embeddings are ordered by distance as targets are (Zha et al. 2023)."""

import dataclasses

from jcl.config.checks import check_positive
from jcl.losses import rank_n_contrast
from jcl.methods.base import Outcome
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.targets import NO_ORDER
from jcl.methods.parts.two_view import TwoViewNetworks, pair_of


@dataclasses.dataclass(frozen=True)
class RankNContrast(TwoViewNetworks):
    """Distances of embeddings follow those of targets: see `jcl.losses.rank_n_contrast`.

    Take it for continuous targets if the order of their distances alone should shape the features.
    SupReMix weighs pairs by the distances themselves, in the target's unit.

    Attributes:
        temperature: distances, not cosines, are divided by it; 2 in the authors' code.

    Source: Zha et al. 2023, "Rank-N-Contrast: Learning Continuous Representations for Regression"
    (https://arxiv.org/abs/2210.01189).
    """

    temperature: float = 2.0
    instead = NO_ORDER

    def __post_init__(self):
        check_positive("method.temperature", self.temperature)

    @property
    def needs(self):
        """Numbers whose distances can be ranked."""
        return ("target",)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """Rank-N-Contrast over the global batch."""
        z0, z1 = pair_of(embeddings)
        loss = rank_n_contrast(z0, z1, batch["target"], temperature=self.temperature, mesh=mesh)
        return Outcome(loss, two_view_diagnostics(z0, z1), {})

    def outputs(self, variables, inputs):
        """See `Method`: the projection is raw, because the loss compares distances."""
        features, projection = self.features_and_projection(variables, inputs)
        named = {"features": features, "projection": projection}
        return {**named, **self.map_of(variables, inputs)}
