"""The base of methods that compare all views of an example at once."""

import abc
import dataclasses

from jax.sharding import Mesh
from jaxtyping import Array, Float

from jcl.methods.base import Outcome
from jcl.methods.parts.diagnostics import several_view_diagnostics
from jcl.methods.parts.equal_views import EqualViews, check_several
from jcl.methods.parts.two_view import TwoViewNetworks


@dataclasses.dataclass(frozen=True)
class SeveralViewMethod(EqualViews, TwoViewNetworks):
    """A loss of all views' embeddings, without further state; a subclass gives the loss.

    A class whose loss divides cosines by a temperature has `CosineContrast` as its second base:
    `class MVInfoNCE(SeveralViewMethod, CosineContrast)`.
    """

    @abc.abstractmethod
    def loss(self, z: Float[Array, "B V d"], mesh: Mesh | None) -> Float[Array, ""]:
        """The loss of the raw embeddings of all views."""

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`; embeddings [B, V, d], raw, V >= 2."""
        check_several(embeddings)
        loss = self.loss(embeddings, mesh)
        return Outcome(loss, several_view_diagnostics(embeddings), {})
