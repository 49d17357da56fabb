"""What methods share that contrast two views of each example, or more of them pair by pair."""

import abc
import dataclasses
from collections.abc import Mapping

import flax.linen as nn
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jcl.config.checks import check_positive
from jcl.errors import UserError
from jcl.losses import unit_rows
from jcl.methods.base import Outcome
from jcl.methods.parts.chain import Chain
from jcl.methods.parts.diagnostics import several_view_diagnostics
from jcl.methods.parts.equal_views import EqualViews, mean_over_pairs


def pair_of(embeddings: Float[Array, "B V d"]) -> tuple[Float[Array, "B d"], Float[Array, "B d"]]:
    """The embeddings of the two views of each example.

    Raises:
        UserError: there are not two views, of which an index would not complain.
    """
    count = embeddings.shape[1]
    if count != 2:
        raise UserError(
            "the method takes two views of an example, and the recipe of views (views.name, "
            f"views.count) makes {count}"
        )
    return embeddings[:, 0], embeddings[:, 1]


@dataclasses.dataclass(frozen=True)
class TwoViewNetworks(Chain):
    """Encoder and projector, both views through both; a subclass gives the objective.

    Attributes:
        projector: maps features to embeddings [N, d].
    """

    projector: nn.Module

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Encoder and projector."""
        return {"encoder": self.encoder, "projector": self.projector}

    def outputs(self, variables, inputs) -> dict[str, Float[Array, "N ..."]]:
        """`features` [N, D], and `projection` [N, d]: unit rows, as most losses compare them.

        Besides `map` [N, h, w, D], where the encoder has one.
        """
        features, projection = self.features_and_projection(variables, inputs)
        found = {"features": features, "projection": unit_rows(projection)}
        return {**found, **self.map_of(variables, inputs)}

    def features_and_projection(self, variables, inputs) -> tuple[Float[Array, "N ..."], ...]:
        """What the encoder and the projector give for examples, BatchNorm in inference mode."""
        found = self.infer(variables, inputs, "encoder", "projector")
        return found["encoder"], found["projector"]


@dataclasses.dataclass(frozen=True)
class CosineContrast(TwoViewNetworks):
    """Two views that are compared by cosines, divided by a temperature.

    Methods that derive from this class mean the same by `temperature`, so it stays where one of
    them takes another's place on the command line.

    Attributes:
        temperature: cosines are divided by it.
    """

    temperature: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        check_positive("method.temperature", self.temperature)


@dataclasses.dataclass(frozen=True)
class TwoViewMethod(EqualViews, CosineContrast):
    """A loss of two views' embeddings and nothing else; a subclass gives the loss.

    Where an example has more views, the objective is the mean of the loss over all pairs of views.
    """

    @abc.abstractmethod
    def loss(
        self, z0: Float[Array, "B d"], z1: Float[Array, "B d"], mesh: Mesh | None
    ) -> Float[Array, ""]:
        """The loss of the raw embeddings of two views."""

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`; embeddings [B, V, d], raw, V >= 2."""
        loss = mean_over_pairs(lambda z0, z1: self.loss(z0, z1, mesh), embeddings)
        return Outcome(loss, several_view_diagnostics(embeddings), {})
