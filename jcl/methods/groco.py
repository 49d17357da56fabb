"""GroCo: positives should rank above the nearest negatives (Shvetsova et al. 2023)."""

import dataclasses

from jcl.config.checks import check_count, check_positive
from jcl.errors import UserError
from jcl.losses import groco
from jcl.methods.base import Embedded, Outcome
from jcl.methods.parts.chain import views_of_inputs
from jcl.methods.parts.diagnostics import several_view_diagnostics
from jcl.methods.parts.equal_views import check_several
from jcl.methods.parts.sizes import LARGE, SMALL, by_size
from jcl.methods.parts.two_view import TwoViewNetworks


@dataclasses.dataclass(frozen=True)
class GroCo(TwoViewNetworks):
    """A soft sort ranks an anchor's positives above its nearest negatives: see `jcl.losses.groco`.

    All views are anchors, and those of full size are positives too. Smaller views come from
    `views.name="multi_crop"`. Take it if only the order of similarities should matter, not their
    differences. SimCLR and MV-InfoNCE use all negatives, with a temperature.

    Attributes:
        neighbours: number of negatives of an anchor, the nearest of the same view.
        steepness: of the sort; a larger one is nearer to hard sorting, and gives a smaller gradient
            if the order is right.

    Source: Shvetsova et al. 2023, "Learning by Sorting: Self-supervised Learning with Group
    Ordering Constraints" (https://arxiv.org/abs/2301.02009).
    """

    neighbours: int = 10
    steepness: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        check_count("method.neighbours", self.neighbours)
        check_positive("method.steepness", self.steepness)

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; the embeddings are {"large": [B, V, d], "small": [B, W, d]}.

        "small" is missing if there are no small views.
        """
        embedded = super().embed(variables, views, keys)
        sizes = by_size(embedded.embeddings, views_of_inputs(views))
        return embedded._replace(embeddings=sizes)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`; metrics are those of the large views."""
        z = embeddings[LARGE]
        check_several(z)
        if len(z) <= self.neighbours:
            raise UserError(
                f"method.neighbours={self.neighbours} is impossible with batch_size={len(z)}: an "
                f"anchor has {len(z) - 1} other examples; set a smaller number or a larger batch"
            )
        loss = groco(
            z,
            neighbours=self.neighbours,
            steepness=self.steepness,
            anchors=embeddings.get(SMALL),
            mesh=mesh,
        )
        return Outcome(loss, several_view_diagnostics(z), {})
